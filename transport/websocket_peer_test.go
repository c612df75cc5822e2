package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	ws "github.com/coder/websocket"
)

// wire is a peer's WebSocket.
type wire struct {
	conn    *ws.Conn
	answers chan []byte // to the frames, in order
	done    chan struct{}
}

// dial opens a WebSocket and reads it to its end.
func (p *peer) dial(ctx context.Context, query string, read *reading) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if p.http.Timeout > 0 { // a client's patience, for all of it as with an answer
		ctx, cancel = context.WithTimeout(ctx, p.http.Timeout)
		defer cancel()
	}

	conn, resp, err := ws.Dial(ctx, p.url+"?"+query, &ws.DialOptions{HTTPClient: p.http})
	if err != nil {
		if resp != nil && resp.StatusCode >= 300 {
			p.fault("handshake: %s", resp.Status)
		}
		return err
	}

	conn.SetReadLimit(-1)
	s := &wire{conn: conn, answers: make(chan []byte, 100), done: make(chan struct{})}
	read.socket = s
	defer func() {
		conn.CloseNow()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.socket == s {
			p.socket = nil
		}
		close(s.done)
	}()

	for {
		kind, r, err := conn.Reader(ctx)
		var text []byte
		if err == nil {
			text, err = io.ReadAll(r)
		}

		if err != nil {
			return p.ended(err)
		}
		if kind != ws.MessageText {
			p.fault("frame %v: %q", kind, text)
		}
		if !bytes.HasSuffix(text, []byte("\n\n")) {
			return errors.New("cut") // the library takes a connection's end within a frame for the frame's
		}
		if err := read.all(bytes.NewReader(text)); err != nil {
			return err
		}
	}
}

// ended checks how the server ended a WebSocket.
func (p *peer) ended(err error) error {
	var ce ws.CloseError
	if errors.As(err, &ce) && ce.Code != 1012 && ce.Code != 1000 {
		p.fault("closed: %v", err)
	}
	return err
}

// ask sends a frame and waits for its answer.
func (p *peer) ask(s *wire, body []byte, last uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.conn.Write(ctx, ws.MessageText, body); err != nil {
		s.conn.CloseNow()
		<-s.done
		return err
	}

	var a struct {
		Status   int
		Accepted uint64
	}
	select {
	case text := <-s.answers:
		if err := json.Unmarshal(text, &a); err != nil {
			return err
		}
	case <-s.done:
		return errors.New("the link has ended")
	}

	if a.Status == 401 {
		s.conn.CloseNow()
		<-s.done
		return errors.New("401")
	}
	if a.Status != 200 || a.Accepted != last {
		p.fault("sent %d, answer %+v", last, a)
		return fmt.Errorf("%d", a.Status)
	}

	p.mu.Lock()
	p.kept = nil
	p.mu.Unlock()
	return nil
}
