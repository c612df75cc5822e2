// Command goclient lets ./conformance check package client: it does what the lines on its
// standard input say, and tells on its standard output what happens. docs/protocol.md
// describes the lines under "Writing a client".
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/mirage-go/mirage/client"
)

// A line is one of the protocol, in either direction. What is empty is left out.
type line map[string]any

// A command is a line of the kit.
type command struct {
	Do, URL, Transport, Data, Name, Topic, From string
	Base64                                      *string
	Transports                                  []string
	Ref                                         int
}

// An adapter has one client, and another one after each reload.
type adapter struct {
	out   sync.Mutex
	o     client.Options
	url   string
	state *memory
	rooms sync.Map // name → *client.Room

	c      *client.Client
	ctx    context.Context // ends with c
	cancel context.CancelFunc
}

func main() {
	a := &adapter{state: new(memory)}
	a.tell(line{
		"event": "hello", "name": "package client (Go)", "transports": []string{"websocket", "sse", "poll"},
		"features": []string{"binary", "emit", "reload", "switch", "topics"},
	})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var what command
		if err := json.Unmarshal(lines.Bytes(), &what); err != nil {
			a.complain(err)
			continue
		}
		a.do(what)
	}
}

func (a *adapter) tell(l line) {
	a.out.Lock()
	defer a.out.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(l)
}

func (a *adapter) complain(err error) { a.tell(line{"event": "error", "text": err.Error()}) }

func (a *adapter) do(what command) {
	ctx := context.Background()
	switch what.Do {
	case "connect":
		a.connect(what)
	case "reload":
		a.end(200 * time.Millisecond)
		a.begin()
	case "disconnect":
		a.c.Disconnect()
	case "close":
		a.end(5 * time.Second)
		a.tell(line{"event": "state", "state": "closed"})
	case "use":
		go a.c.Use(ctx, what.Transport)
	case "send":
		a.send(what)
	case "emit":
		go a.emit(a.c, what)
		time.Sleep(time.Millisecond) // so that messages are queued in the order of the lines
	case "join":
		go a.join(a.ctx, a.c, what)
	case "leave":
		if room, ok := a.rooms.LoadAndDelete(what.Topic); ok {
			room.(*client.Room).Leave()
		}
	}
}

func (a *adapter) connect(what command) {
	if a.c != nil {
		go a.c.Connect(a.ctx)
		return
	}
	a.url = what.URL
	a.o = client.Options{
		Transports: what.Transports, AskSigned: true, Persist: a.state, OnState: a.tellState,
		Logger: slog.New(slog.DiscardHandler), MaxDelay: 5 * time.Second,
	}
	a.begin()
}

// begin begins with a client that continues with what the last one has stored. The lines
// that follow wait until it is connected.
func (a *adapter) begin() {
	a.ctx, a.cancel = context.WithCancel(context.Background())
	c, err := client.Dial(a.ctx, a.url, a.o)
	if err != nil {
		a.tellState(client.State{Phase: client.PhaseClosed, Err: err})
		return
	}
	a.c = c
	go a.read(c.Messages(a.ctx))
}

// end ends the client, which may take some time to say goodbye.
func (a *adapter) end(within time.Duration) {
	ctx, cancel := context.WithTimeout(a.ctx, within)
	defer cancel()
	_ = a.c.Close(ctx) // what was not accepted is stored
	a.cancel()
}

// read tells of the messages of a loop.
func (a *adapter) read(messages iter.Seq2[client.Message, error]) {
	for m, err := range messages {
		var lost *client.LostError
		switch {
		case errors.As(err, &lost):
			a.tell(line{"event": "gap", "topic": lost.Topic, "from": lost.From, "to": lost.To, "reason": lost.Reason})
		case err != nil: // states, and outcomes of Emit, say the same
		default:
			a.tellMessage(m)
		}
	}
}

func (a *adapter) tellMessage(m client.Message) {
	l := line{"event": "message", "name": m.Event, "topic": m.Topic, "again": m.Again}
	switch {
	case m.Grows:
		l["whole"], l["done"] = string(m.Whole), m.Done
	case m.Binary:
		l["base64"] = m.Data
	default:
		l["data"] = string(m.Data)
	}
	a.tell(l)
}

func (a *adapter) tellState(s client.State) {
	l := line{"event": "state", "state": s.Phase.String(), "transport": s.Transport}
	var refused *client.Error
	if errors.As(s.Err, &refused) {
		l["status"], l["reason"] = refused.Status, refused.Detail
	}
	a.tell(l)
}

func (a *adapter) send(what command) {
	m := client.Message{Event: what.Name, Data: []byte(what.Data)}
	if what.Base64 != nil {
		m.Binary = true
		m.Data, _ = base64.StdEncoding.DecodeString(*what.Base64)
	}
	if err := a.c.Send(a.ctx, m); err != nil {
		a.complain(err)
	}
}

func (a *adapter) emit(c *client.Client, what command) {
	err := c.Emit(context.Background(), what.Name, json.RawMessage(what.Data))
	var refused *client.Error
	switch {
	case err == nil:
		a.tell(line{"event": "accepted", "ref": what.Ref})
	case errors.As(err, &refused):
		a.tell(line{"event": "rejected", "ref": what.Ref, "status": refused.Status})
	}
}

func (a *adapter) join(ctx context.Context, c *client.Client, what command) {
	room, err := c.Join(ctx, what.Topic, client.JoinOptions{
		From: what.From,
		OnMembers: func(m client.Members) {
			a.tell(line{"event": "members", "topic": what.Topic, "count": m.Count})
		},
	})
	var refused *client.Error
	switch {
	case errors.As(err, &refused):
		a.tell(line{"event": "left", "topic": what.Topic, "status": refused.Status})
	case err == nil:
		a.rooms.Store(what.Topic, room)
		a.tell(line{"event": "joined", "topic": what.Topic})
		a.read(room.Messages(ctx))
	}
}

// memory is a Persist that lasts as long as the adapter.
type memory struct {
	mu    sync.Mutex
	state []byte
}

func (m *memory) Load(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state, nil
}

func (m *memory) Save(_ context.Context, state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = state
	return nil
}
