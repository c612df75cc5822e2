package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/miragetest"
)

// A world is the server, the network and the client of one case.
type world struct {
	ctx       context.Context
	random    *rand.Rand
	transport string // "" if the client chooses
	options   mirage.Options
	patience  time.Duration // how long it waits for what must come

	client *child
	live   atomic.Pointer[mirage.Live]
	gate   *gate
	server *http.Server
	net    *miragetest.Proxy
	atEnd  []func()

	mu      sync.Mutex
	id      string // of the client, as the server knows it
	session *mirage.Session
	came    []incoming // what the application was called with
	sent    []sent     // what it has sent, in order
}

// incoming is a call of OnMessage.
type incoming struct {
	text   string
	name   string
	again  bool
	binary bool
}

// sent is a message that the server has sent to the session.
type sent struct {
	text string
	seq  uint64
}

// A failure is why a case has failed: the value of a panic.
type failure string

// fail ends the case.
func fail(format string, a ...any) { panic(failure(fmt.Sprintf(format, a...))) }

// begin starts the server, the network and the client.
func (w *world) begin(line string, verbose io.Writer) {
	w.gate = newGate(w)
	w.start()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail("the server: %v", err)
	}
	w.server = &http.Server{Handler: w.gate, ErrorLog: log.New(io.Discard, "", 0)}
	go w.server.Serve(listener)
	w.net = miragetest.NewProxy(nil, "http://"+listener.Addr().String())

	if w.client, err = startClient(w.ctx, line, verbose); err != nil {
		fail("the client: %v", err)
	}
}

// end ends all that begin has started.
func (w *world) end() {
	if w.client != nil {
		w.client.stop()
	}
	for _, f := range w.atEnd {
		f()
	}
	if w.net != nil {
		w.net.Close()
	}
	w.shutdown(0)
	if w.server != nil {
		w.server.Close()
	}
}

// start starts the application, as a process that begins with nothing in memory.
func (w *world) start() {
	o := w.options
	o.Keys, o.Insecure, o.Logger = [][]byte{[]byte(strings.Repeat("k", 32))}, true, slog.New(slog.DiscardHandler)
	o.OnMessage = w.receive
	o.OnAttach = func(_ context.Context, s *mirage.Session, _ mirage.Reader) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.id, w.session = s.ID(), s
	}
	w.live.Store(mirage.New(o))
}

// restart loses all that the server has in memory. Its links end as when a process is
// killed.
func (w *world) restart() {
	w.shutdown(0)
	w.net.Cut(miragetest.RST)
	w.start()
}

// shutdown ends the application within a time.
func (w *world) shutdown(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if live := w.live.Load(); live != nil {
		_ = live.Shutdown(ctx)
	}
}

func (w *world) receive(_ context.Context, _ *mirage.Session, in mirage.Incoming) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.came = append(w.came, incoming{string(in.Data), in.Event, in.Again, in.Binary})
	if in.Event == "fail" {
		return errors.New("the handler of this case fails")
	}
	return nil
}

// connect connects the client and waits until it is open.
func (w *world) connect() {
	w.begun()
	w.awaitState("open")
}

// begun tells the client to connect.
func (w *world) begun() {
	transports := []string{w.transport}
	if w.transport == "" {
		transports = nil
	}
	w.client.do(command{Do: "connect", URL: w.net.URL() + "/live", Transports: transports})
}

// send sends texts to the session. It waits while the log is full.
func (w *world) send(texts ...string) {
	for _, text := range texts {
		w.sendMessage(mirage.Text(text))
	}
}

func (w *world) sendMessage(m mirage.Message) {
	for end := time.Now().Add(w.patience); ; time.Sleep(20 * time.Millisecond) {
		w.mu.Lock()
		id := w.id
		w.mu.Unlock()
		at, err := w.live.Load().Send(w.ctx, id, m)
		switch {
		case err == nil:
			w.mu.Lock()
			defer w.mu.Unlock()
			w.sent = append(w.sent, sent{string(m.Data), seqOf(at.String())})
			return
		case time.Now().After(end) && errors.Is(err, mirage.ErrFull):
			fail("the client has not acknowledged for %v, and the log of its session is full", w.patience)
		case time.Now().After(end):
			fail("nothing can be sent to the session: %v", err)
		}
	}
}

// say makes the client send texts.
func (w *world) say(texts ...string) {
	for _, text := range texts {
		w.client.do(command{Do: "send", Data: text})
	}
}

// pause lets a random time pass: the clock of a case is real.
func (w *world) pause(most time.Duration) { w.wait(time.Duration(w.random.Int64N(int64(most)))) }

// wait lets some time pass.
func (w *world) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-w.ctx.Done():
		fail("interrupted")
	}
}
