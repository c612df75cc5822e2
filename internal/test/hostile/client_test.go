package hostile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// client is a well-behaved client object, as docs/protocol.md describes it, with the
// cookie of an id.
type client struct {
	testing.TB
	site *site
	id   string
	cid  string
	sig  string // the cookie's value
	http *http.Client

	mu     sync.Mutex
	hellos []frame.Hello
	pos    store.Position
	got    []string
	twice  int
	told   []frame.Event // control events except hello
	kept   []session.Numbered
	last   uint64
	again  bool // kept was sent before a hello that did not resume

	resumed int // hellos that resumed
}

func (s *site) client(id string) *client {
	c := &client{TB: s, site: s, id: id, cid: (id + "-0123456789-0123456789")[:24], sig: s.sign(id)}
	t := &http.Transport{DisableCompression: true}
	c.http = &http.Client{Transport: t}
	s.Cleanup(t.CloseIdleConnections)
	return c
}

func (c *client) request(ctx context.Context, method, more, body string, header ...string) (*http.Response, error) {
	c.mu.Lock()
	query := "?_cid=" + c.cid + more
	if c.pos.Epoch != 0 && method == "GET" {
		query += "&_pos=" + c.pos.String()
	}
	c.mu.Unlock()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.site.addr+"/live"+query, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Host = host
	for _, h := range append(header, accept, withCookie(c.sig)) {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return c.http.Do(r)
}

// open opens a stream and returns after its hello. The stream stays open until the test
// or the server ends it.
func (c *client) open() (over <-chan struct{}) {
	c.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c.mu.Lock()
	n := len(c.hellos)
	c.mu.Unlock()
	go func() {
		defer close(done)
		_ = c.stream(ctx)
	}()
	c.Cleanup(func() { cancel(); <-done })
	eventually(c, c.id+"'s hello", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.hellos) > n })
	return done
}

// stream reads one stream to its end.
func (c *client) stream(ctx context.Context) error {
	r, err := c.request(ctx, "GET", "", "")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	return c.read(r)
}

// poll makes one long-poll.
func (c *client) poll(ctx context.Context, wait string) error {
	r, err := c.request(ctx, "GET", "&_wait="+wait, "", withLink(c.token()))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	return c.read(r)
}

func (c *client) token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.hellos) == 0 {
		return ""
	}
	return c.hellos[len(c.hellos)-1].Link
}

func (c *client) read(r *http.Response) error {
	if r.StatusCode != 200 {
		return errors.New(r.Status)
	}
	for e, err := range frame.NewParser(2 << 20).All(r.Body) {
		if err != nil {
			return err
		}
		c.take(e)
	}
	return nil
}

func (c *client) take(e frame.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pos := c.pos
	if e.HasID {
		pos, _ = store.ParsePosition(e.ID)
	}

	switch e.Name {
	case frame.EventHello:
		var h frame.Hello
		_ = json.Unmarshal(e.Data, &h)
		if len(c.hellos) > 0 && !h.Resumed && len(c.kept) > 0 {
			c.again = true
		}
		if h.Resumed {
			c.resumed++
		}
		c.hellos = append(c.hellos, h)
		c.site.secret(h.Link)
	case frame.EventGap, frame.EventAck, frame.EventDrain, frame.EventEnd:
		e.Data = slices.Clone(e.Data)
		c.told = append(c.told, e)
	default:
		if pos.Epoch == c.pos.Epoch && pos.Seq != c.pos.Seq+1 {
			c.twice++
		}
		c.got = append(c.got, string(e.Data))
	}

	c.pos = pos
}

// write numbers a message and keeps it until it is accepted.
func (c *client) write(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	c.kept = append(c.kept, session.Numbered{Number: c.last, Message: store.Text(text)})
}

// post sends the kept messages and the acknowledgement once.
func (c *client) post(ctx context.Context) error {
	c.mu.Lock()
	up := frame.Up{Writer: c.cid, Base: c.last + 1 - uint64(len(c.kept)), Again: c.again}
	if c.pos.Epoch != 0 {
		up.Ack = c.pos.String()
	}
	sent := c.kept
	body := frame.AppendUp(nil, up)
	for i := range sent {
		body = frame.AppendUpstream(body, sent[i].Number, &sent[i].Message)
	}
	c.mu.Unlock()

	r, err := c.request(ctx, "POST", "", string(body), withLink(c.token()), isText)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var a struct{ Accepted uint64 }
	if r.StatusCode != 200 {
		return fmt.Errorf("%s: %s", r.Status, text)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.kept) > 0 && c.kept[0].Number <= a.Accepted {
		c.kept = c.kept[1:]
	}
	if len(c.kept) == 0 {
		c.again = false
	}
	return nil
}

// fine sends a message and waits for its echo. It requires that everything this client
// ever sent was handled once and in order, and came back so.
func (c *client) fine(during string) {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.write(fmt.Sprint("m", c.last+1))
	if err := c.post(ctx); err != nil {
		c.Fatalf("%s: %s cannot send: %v", during, c.id, err)
	}

	want := make([]string, c.last)
	for i := range want {
		want[i] = fmt.Sprint("m", i+1)
	}

	for {
		c.mu.Lock()
		got, twice := slices.Clone(c.got), c.twice
		c.mu.Unlock()
		switch {
		case twice > 0 || len(got) > len(want) ||
			!slices.Equal(got, want[:len(got)]) || !slices.Equal(c.site.calls(c.id), want):
			c.Fatalf("%s: %s has %q, the application %q, %d holes or repeats",
				during, c.id, got, c.site.calls(c.id), twice)
		case len(got) == len(want):
			return
		case ctx.Err() != nil:
			c.Fatalf("%s: %s waits for %d of %d messages", during, c.id, len(want)-len(got), len(want))
		}
		pause()
	}
}

// patience is how long a well-behaved client waits, on a machine that is busy with other
// tests.
const patience = 5 * time.Second

func pause() { time.Sleep(time.Millisecond) }
