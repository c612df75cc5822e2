package websocket

import (
	"context"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/upstream"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// receive handles a frame: the same text as the body of a POST, or the message of a plain
// client. An acknowledgement counts at once. A message waits until the one before it is
// handled, and nothing more is read meanwhile.
func (l *reader) receive(kind ws.MessageType, body []byte) {
	up := session.Upstream{ID: l.id, Value: l.value, Link: l.ref}
	if l.plain {
		msg := store.Message{Data: append([]byte{}, body...), Binary: kind == ws.MessageBinary}
		up.Messages = []session.Numbered{{Message: msg}}
	} else if err := upstream.Parse(&up, body, l.h.shared.MaxMessageSize, l.h.shared.MaxBatch); err != nil {
		l.refuse(err)
		return
	}

	if none := len(up.Messages) == 0; none || len(l.answers) > 0 {
		ack := session.Upstream{ID: up.ID, Link: up.Link, Ack: up.Ack}
		if none {
			ack = up
		}
		_, err := l.h.m.Receive(context.Background(), ack)
		if none {
			if err != nil {
				l.refuse(err)
			}
			return
		}
	}

	if l.lockAnswers(); l.conn.out.isOver() {
		<-l.answers
		return
	}
	l.conn.out.setHandling(true)
	go l.handle(up)
}

// lockAnswers waits until the earlier frames are answered. Receiving from answers
// unlocks.
func (l *reader) lockAnswers() {
	if l.answers == nil {
		l.answers = make(chan struct{}, 1)
	}
	l.answers <- struct{}{}
}

// refuse answers a frame from which nothing was accepted, after the answers to earlier
// frames.
func (l *reader) refuse(err error) {
	l.lockAnswers()
	l.answer(session.Receipt{}, err)
	<-l.answers
}

// handle handles the messages of one frame, and answers it.
func (l *reader) handle(up session.Upstream) {
	defer func() { <-l.answers }()
	defer l.conn.out.setHandling(false)
	defer l.recover()
	got, err := l.h.m.Receive(context.Background(), up)
	if got.Accepted > l.accepted || l.plain && err == nil {
		l.accepted = got.Accepted
		l.handled.Add(1)
	}
	if err != nil || len(got.Failed) > 0 || !l.plain {
		l.answer(got, err)
	}
}

// answer answers a frame.
func (l *reader) answer(got session.Receipt, err error) {
	l.conn.out.reply(upstream.AppendAnswer(nil, got, err))
}
