package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// attach opens a link as a transport does, and prints what hello would say.
func attach(m *session.Manager, id, reader, position string) *session.Link {
	l, err := m.Attach(context.Background(), session.Attach{
		ID: id, Reader: reader, Position: position, Transport: "example",
	})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: resumed %v %q\n", reader, l.Hello.Resumed, l.Hello.Reason)
	return l
}

// read prints what waits and returns the position after it.
func read(l *session.Link) store.Position {
	var b session.Batch
	if err := l.Take(context.Background(), &b); err != nil {
		panic(err)
	}
	at := l.Hello.Position
	if b.Gap != (store.Lost{}) {
		fmt.Printf("  gap %d to %d\n", b.Gap.From, b.Gap.To)
	}
	for _, e := range b.Entries {
		if e.Message != nil { // otherwise it is for another reader
			fmt.Printf("  %d %s\n", e.Seq, e.Message.Data)
		}
		at = store.Position{Epoch: b.Epoch, Seq: e.Seq, Tag: e.Tag}
	}
	return at
}

// A reader that lost its connection comes back with its position, and continues there.
func Example() {
	ctx := context.Background()
	m := session.New(session.Options{})
	defer m.Shutdown(ctx)

	link := attach(m, "ann", "tab", "")
	m.Send(ctx, "ann", store.Text("one"))
	m.Send(ctx, "ann", store.Text("two"))
	at := read(link)
	link.Close() // the network

	m.Send(ctx, "ann", store.Text("three"))
	link = attach(m, "ann", "tab", at.String())
	read(link)
	link.Close()
	// Output:
	// tab: resumed false "new"
	//   1 one
	//   2 two
	// tab: resumed true ""
	//   3 three
}

// Two tabs are two readers of one log. A new reader without a position starts at the
// mark, the highest position that any reader has acknowledged: it also gets the messages
// that no reader has acknowledged yet.
func Example_tabs() {
	ctx := context.Background()
	m := session.New(session.Options{})
	defer m.Shutdown(ctx)

	first := attach(m, "ann", "first", "")
	m.Send(ctx, "ann", store.Text("one"))
	first.Ack(ctx, read(first))
	m.Send(ctx, "ann", store.Text("two"))
	read(first) // written, but not acknowledged

	second := attach(m, "ann", "second", "")
	read(second)
	first.Close()
	second.Close()
	// Output:
	// first: resumed false "new"
	//   1 one
	//   2 two
	// second: resumed false "new"
	//   2 two
}

// A full log refuses messages, and loses none. Acknowledgements make room.
func Example_full() {
	ctx := context.Background()
	m := session.New(session.Options{MaxMessages: 2})
	defer m.Shutdown(ctx)

	link := attach(m, "ann", "tab", "")
	for _, text := range []string{"one", "two", "three"} {
		if _, err := m.Send(ctx, "ann", store.Text(text)); errors.Is(err, store.ErrFull) {
			fmt.Println("no room for", text)
		}
	}
	link.Ack(ctx, read(link))
	_, err := m.Send(ctx, "ann", store.Text("three"))
	fmt.Println(err)
	link.Close()
	// Output:
	// tab: resumed false "new"
	// no room for three
	//   1 one
	//   2 two
	// <nil>
}

// With OverflowDropOldest the newest messages stay, and a reader that misses the others
// is told which.
func Example_gap() {
	ctx := context.Background()
	m := session.New(session.Options{
		MaxMessages: 2, Overflow: store.OverflowDropOldest,
		OnGap: func(_ context.Context, s *session.Session, r session.ReaderInfo, lost store.Lost) {
			fmt.Println("application:", s.ID(), r.Reader, "lost", lost.From, "to", lost.To)
		},
	})
	defer m.Shutdown(ctx)

	link := attach(m, "ann", "tab", "")
	for _, text := range []string{"one", "two", "three"} {
		m.Send(ctx, "ann", store.Text(text))
	}
	read(link)
	link.Close()
	// Output:
	// tab: resumed false "new"
	// application: ann tab lost 1 to 1
	//   gap 1 to 1
	//   2 two
	//   3 three
}

// A message that a client sends is handled once, however often it comes.
func ExampleManager_Receive() {
	ctx := context.Background()
	m := session.New(session.Options{OnMessage: func(_ context.Context, s *session.Session, in session.Incoming) error {
		fmt.Println("handled", in.Number, string(in.Data))
		return nil
	}})
	defer m.Shutdown(ctx)

	link := attach(m, "ann", "tab", "")
	up := session.Upstream{ID: "ann", Link: link.Hello.Link, Writer: "tab", Base: 1, Messages: []session.Numbered{
		{Number: 1, Message: store.Text("one")},
		{Number: 2, Message: store.Text("two")},
	}}
	for range 2 {
		got, err := m.Receive(ctx, up)
		fmt.Println("accepted", got.Accepted, err)
	}
	link.Close()
	// Output:
	// tab: resumed false "new"
	// handled 1 one
	// handled 2 two
	// accepted 2 <nil>
	// accepted 2 <nil>
}

// A page that shows a list survives its reload, a long absence and a restart of the
// server: every page that comes is sent the whole list, and shows that from then on. The
// mutex keeps list and log in one order, so that each line is either in the list that is
// sent or follows it.
func Example_reload() {
	ctx := context.Background()
	var mu sync.Mutex
	var lines []string
	m := session.New(session.Options{
		OnAttach: func(ctx context.Context, s *session.Session, r session.ReaderInfo) {
			mu.Lock()
			defer mu.Unlock()
			// A list may outgrow MaxMessageSize: then the rest follows as lines.
			s.SendTo(ctx, r.Reader, store.Message{Event: "list", Data: []byte(strings.Join(lines, " "))})
		},
	})
	defer m.Shutdown(ctx)
	add := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
		// The error may be ErrNotFound: there is no session, and nothing is lost.
		m.Send(ctx, "ann", store.Message{Event: "line", Data: []byte(line)})
	}

	add("one")
	first := attach(m, "ann", "page", "")
	add("two")
	read(first)
	first.Close()
	add("three") // while the page is reloading: comes before the list, which has it
	second := attach(m, "ann", "page-reloaded", "")
	add("four")
	read(second)
	second.Close()
	// Output:
	// page: resumed false "new"
	//   1 one
	//   2 two
	// page-reloaded: resumed false "new"
	//   2 two
	//   3 three
	//   4 one two three
	//   5 four
}
