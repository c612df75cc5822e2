package session_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// lines is a custom transport: a line protocol over any net.Conn. The client identifies
// itself, acknowledges, and sends numbered messages:
//
//	hello ID READER [POSITION]
//	ack POSITION
//	say NUMBER TEXT
//	bye
//
// It gets
//
//	welcome RESUMED
//	gap FROM TO
//	message POSITION TEXT
//	said ACCEPTED
//	end REASON RETRY
//
// The example trusts every client that can connect. A real transport gets the id from
// package middleware.
type lines struct{ m *session.Manager }

// serve carries one link, until the client leaves or the link ends.
func (t lines) serve(conn net.Conn) {
	defer conn.Close()
	o := t.m.Options()
	in := bufio.NewScanner(conn)
	in.Buffer(nil, o.MaxBody)
	if !in.Scan() {
		return
	}
	hello := append(strings.Fields(in.Text()), "", "", "", "")

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	link, err := t.m.Attach(ctx, session.Attach{
		ID: hello[1], Reader: hello[2], Position: hello[3],
		Transport: "lines", RemoteAddr: conn.RemoteAddr().String(), Life: o.LinkAge,
	})
	if err != nil {
		fmt.Fprintln(conn, "end", err, 0)
		return
	}
	defer link.Close() // after the last Take

	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel() // the client has left
		for in.Scan() {
			if err := t.receive(ctx, conn, link, in.Text()); err != nil {
				return // it comes back, and repeats what was not accepted
			}
		}
	})
	t.write(ctx, conn, link)
	conn.Close() // ends the reading
	reading.Wait()
}

// write writes what the link has for the client, whenever there is something.
func (t lines) write(ctx context.Context, conn net.Conn, link *session.Link) {
	text := fmt.Appendln(nil, "welcome", link.Hello.Resumed)
	var b session.Batch
	for {
		conn.SetWriteDeadline(time.Now().Add(t.m.Options().WriteTimeout))
		n, err := conn.Write(text)
		if link.Wrote(n); err != nil || b.End != "" {
			return // what did not arrive stays in the log
		}

		if err := link.Next(ctx, &b); err != nil {
			return
		}
		text = text[:0]
		if b.Gap != (store.Lost{}) {
			text = fmt.Appendln(text, "gap", b.Gap.From, b.Gap.To)
		}
		for _, e := range b.Entries {
			if e.Message != nil { // otherwise it is for another reader
				at := store.Position{Epoch: b.Epoch, Seq: e.Seq, Tag: e.Tag}
				text = fmt.Appendf(text, "message %s %s\n", at, e.Message.Data)
			}
		}
		if b.End != "" {
			text = fmt.Appendln(text, "end", b.End, b.Retry)
		}
	}
}

// receive handles one line of the client.
func (t lines) receive(ctx context.Context, conn net.Conn, link *session.Link, line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	ref := link.Hello.Link

	switch verb {
	case "ack":
		p, err := store.ParsePosition(rest)
		if err != nil {
			return err
		}
		return link.Ack(ctx, p)
	case "say":
		var n session.Numbered
		number, text, _ := strings.Cut(rest, " ")
		if _, err := fmt.Sscan(number, &n.Number); err != nil {
			return err
		}
		n.Data = []byte(text)
		got, err := t.m.Receive(ctx, session.Upstream{
			ID: link.ID(), Link: ref, Writer: ref.Reader, Base: n.Number, Messages: []session.Numbered{n},
			Value: conn.RemoteAddr(),
		})
		fmt.Fprintln(conn, "said", got.Accepted)
		return err
	case "bye":
		return t.m.Quit(ctx, session.Quit{ID: link.ID(), Link: ref})
	}

	return session.ErrInput
}

// client is the other end of the protocol.
type client struct {
	net.Conn
	in *bufio.Scanner
}

// hear prints the next line, and returns the position that it names.
func (c client) hear() (position string) {
	c.in.Scan()
	words := strings.Fields(c.in.Text())
	if words[0] == "message" {
		position = words[1]
		words[1] = "POSITION"
	}
	fmt.Println("client:", strings.Join(words, " "))
	return position
}

// A transport attaches a link for each client, writes what the link has, and passes on
// what the client sends. That is all: the Manager handles places, gaps, repeats and
// bounds.
func Example_transport() {
	ctx := context.Background()
	m := session.New(session.Options{
		OnMessage: func(ctx context.Context, _ *session.Session, in session.Incoming) error {
			fmt.Printf("server: message %d: %s, by %v\n", in.Number, in.Data, session.Value(ctx))
			return nil
		},
		OnClose: func(c session.Closed) { fmt.Printf("server: a link by %s is over: %q\n", c.Transport, c.End) },
	})
	var serving sync.WaitGroup
	dial := func() client {
		there, here := net.Pipe()
		serving.Go(func() { lines{m}.serve(there) })
		return client{here, bufio.NewScanner(here)}
	}

	c := dial()
	fmt.Fprintln(c, "hello ann tab")
	c.hear()
	m.Send(ctx, "ann", store.Text("one"))
	at := c.hear()
	fmt.Fprintln(c, "ack", at)
	fmt.Fprintln(c, "say 1 hello there")
	c.hear()
	c.Close() // the network
	serving.Wait()

	m.Send(ctx, "ann", store.Text("two"))
	c = dial()
	fmt.Fprintln(c, "hello ann tab", at)
	c.hear()
	c.hear()
	fmt.Fprintln(c, "say 1 hello there") // resent: the client cannot know that it was handled
	c.hear()
	fmt.Fprintln(c, "bye")
	c.hear()
	serving.Wait()
	m.Shutdown(ctx)
	// Output:
	// client: welcome false
	// client: message POSITION one
	// server: message 1: hello there, by pipe
	// client: said 1
	// server: a link by lines is over: ""
	// client: welcome true
	// client: message POSITION two
	// client: said 1
	// client: end over 0s
	// server: a link by lines is over: "over"
}
