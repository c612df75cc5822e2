package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing/synctest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// downWays are the transports, by the names under which the Manager knows them.
var downWays = []string{"sse", "poll", websocket}

// A guest is a client that joins topics, as docs/protocol.md describes it. It keeps its
// positions, puts growing messages together, and on each new link asks for its topics.
// What the server must not do is a fault. Without a cid it is a plain client, which joins
// by its query.
type guest struct {
	b     *browser
	cid   string
	way   string // "sse", "poll" or "websocket"
	query string // more of it, for every GET
	eager bool   // it asks for its topics right after hello

	http    *http.Client                  // for GETs
	until   atomic.Int64                  // the connection is cut after so many bytes; negative: it is not
	carried atomic.Int64                  // bytes that came on connections of GETs
	frozen  atomic.Pointer[chan struct{}] // nothing is read until it is closed; nil for not frozen
	polls   atomic.Int64                  // answers to polls

	mu     sync.Mutex
	wants  []frame.JoinTopic
	rooms  map[string]*room
	hello  frame.Hello
	hellos int
	own    string   // the position in the session's log
	at     []string // the positions in topics
	events int      // since the last poll
	sent   string   // the positions that the newest GET presented
	got    []string // the session's messages
	twice  int      // how many of them came again
	told   []string // every block but hello and acknowledgements, in words
	faults []string
	socket *ws.Conn

	note func(e frame.Event) // called with each event, under mu; may be nil
}

// A room is what a guest knows of a topic.
type room struct {
	name   string
	joins  int // how often mirage-joined came
	left   int // the status of the last mirage-left
	got    []string
	texts  map[string]string // the growing messages, by event and key
	done   map[string]bool   // those that are complete
	key    string            // its own among the members
	count  int
	member map[string]string // the members' infos, by key; nil if only the number is known
	gaps   []frame.Gap
}

func (b *browser) guest(way string) *guest {
	cids++
	return b.newGuest(way, fmt.Sprintf("test-guest-%016d", cids))
}

// plainGuest returns a plain client. It joins the topics in from the place.
func (b *browser) plainGuest(way, from string, topics ...string) *guest {
	g := b.newGuest(way, "")
	g.query = "&_from=" + from + "&_join=" + strings.Join(topics, ",")
	return g
}

func (b *browser) newGuest(way, cid string) *guest {
	g := &guest{b: b, cid: cid, way: way, eager: true, rooms: map[string]*room{}}
	g.until.Store(-1)
	g.http = &http.Client{Jar: b.client.Jar, Transport: &http.Transport{
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := b.w.net.Dial(ctx)
			return &cutConn{c, g}, err
		},
	}}
	b.w.Cleanup(g.http.CloseIdleConnections)
	return g
}

// A cutConn is a connection that breaks once the guest has so many bytes from it.
type cutConn struct {
	net.Conn
	g *guest
}

func (c *cutConn) Read(b []byte) (int, error) {
	g := c.g
	if thawed := g.frozen.Load(); thawed != nil {
		<-*thawed
	}
	switch until := g.until.Load(); {
	case until == 0:
		g.until.Store(-1)
		c.Close()
		return 0, syscall.ECONNRESET
	case until > 0:
		b = b[:min(len(b), int(until))]
	}
	n, err := c.Conn.Read(b)
	g.carried.Add(int64(n))
	if g.until.Load() > 0 {
		g.until.Add(-int64(n))
	}
	return n, err
}

// freeze lets the guest read nothing more, until thaw is called: a tab that the browser
// has suspended.
func (g *guest) freeze() (thaw func()) {
	synctest.Wait()
	thawed := make(chan struct{})
	g.frozen.Store(&thawed)
	return sync.OnceFunc(func() {
		g.frozen.Store(nil)
		close(thawed)
	})
}

// wantsTopic lets the guest join a topic on every link from now on.
func (g *guest) wantsTopic(topic, from string, info ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := frame.JoinTopic{Topic: topic, From: from}
	if len(info) > 0 {
		t.Info = json.RawMessage(info[0])
	}
	g.wants = append(g.wants, t)
}

// join is wantsTopic for a link that is open.
func (g *guest) join(topic, from string, info ...string) {
	g.b.w.Helper()
	g.wantsTopic(topic, from, info...)
	g.mu.Lock()
	last := g.wants[len(g.wants)-1:]
	g.mu.Unlock()
	g.ask(last...)
	synctest.Wait()
}

// leave leaves a topic, and forgets its position.
func (g *guest) leave(topic string) {
	g.b.w.Helper()
	g.mu.Lock()
	g.forget(topic)
	g.mu.Unlock()
	g.up(frame.AppendLeave(nil, &frame.Leave{Topics: []string{topic}}))
	synctest.Wait()
}

// forget forgets that the guest wants the topic; g.mu is held.
func (g *guest) forget(topic string) {
	for i := len(g.wants) - 1; i >= 0; i-- {
		if g.wants[i].Topic == topic {
			g.wants = append(g.wants[:i:i], g.wants[i+1:]...)
		}
	}
	hash := store.TopicPosition{Topic: store.TopicHash(topic), Epoch: 1}.String()[:6]
	for i := len(g.at) - 1; i >= 0; i-- {
		if strings.HasPrefix(g.at[i], hash) {
			g.at = append(g.at[:i:i], g.at[i+1:]...)
		}
	}
}

// ask sends joins, in blocks of a few topics.
func (g *guest) ask(topics ...frame.JoinTopic) {
	g.b.w.Helper()
	var blocks []byte
	for len(topics) > 0 {
		n := min(len(topics), 3)
		blocks = frame.AppendJoin(blocks, &frame.Join{Topics: topics[:n]})
		topics = topics[n:]
	}
	g.up(blocks)
}

// ack acknowledges what the guest has.
func (g *guest) ack() { g.b.w.Helper(); g.up(nil) }

// up sends a batch of control blocks, in a frame if there is a WebSocket. It is no fault
// if the link has ended meanwhile.
func (g *guest) up(blocks []byte) {
	g.b.w.Helper()
	if status := g.post(blocks); status != http.StatusOK && status != http.StatusUnauthorized {
		g.fault("a batch was answered with %d: %s", status, blocks)
	}
}

// post is up that returns the status.
func (g *guest) post(blocks []byte) (status int) {
	g.mu.Lock()
	up := frame.Up{Writer: g.cid, Base: 1, Ack: g.own + strings.Join(g.at, "")}
	token, socket := g.hello.Link, g.socket
	g.mu.Unlock()
	body := append(frame.AppendUp(nil, up), blocks...)
	if socket != nil {
		if err := socket.Write(context.Background(), ws.MessageText, body); err != nil {
			return http.StatusUnauthorized
		}
		return http.StatusOK
	}

	resp, err := g.b.request(context.Background(), "POST", "?_cid="+g.cid, string(body),
		"Mirage-Link", token, "Content-Type", "text/event-stream")
	if err != nil {
		g.fault("POST: %v", err)
		return 0
	}
	defer g.b.client.CloseIdleConnections()
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// positions is the text of what the guest has.
func (g *guest) positions() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.own + strings.Join(g.at, "")
}

// open opens a link and returns once the server has nothing more to do.
func (g *guest) open() *line {
	g.b.w.Helper()
	l := g.begin(func(ctx context.Context) error { return g.link(ctx) })
	synctest.Wait()
	return l
}

// keep keeps links open, over one way after the other, until its line is closed.
func (g *guest) keep(ways ...string) *line {
	return g.begin(func(ctx context.Context) error {
		rest := 10 * time.Millisecond
		for i := 0; ctx.Err() == nil; i++ {
			g.mu.Lock()
			g.way = ways[i%len(ways)]
			before := g.hellos
			g.mu.Unlock()
			_ = g.link(ctx)
			g.mu.Lock()
			greeted := g.hellos > before
			g.mu.Unlock()
			if rest = min(2*rest, 5*time.Second); greeted {
				rest = 10 * time.Millisecond
			}
			if i == 1000 {
				g.fault("a thousand links")
				return nil
			}
			select {
			case <-time.After(rest):
			case <-ctx.Done():
			}
		}
		return nil
	})
}

func (g *guest) begin(f func(context.Context) error) *line {
	ctx, cancel := context.WithCancel(context.Background())
	l := &line{cut: cancel, done: make(chan struct{})}
	g.b.w.Cleanup(cancel)
	go func() {
		defer close(l.done)
		l.err = f(ctx)
	}()
	return l
}

// link is one link, until it ends.
func (g *guest) link(ctx context.Context) error {
	g.mu.Lock()
	way := g.way
	g.mu.Unlock()
	defer g.http.CloseIdleConnections()
	switch way {
	case websocket:
		return g.dial(ctx)
	case "poll":
		for token := ""; ; {
			start := time.Now()
			if err := g.get(ctx, "&_wait=25", token); err != nil {
				return err
			}
			g.polls.Add(1)
			g.mu.Lock()
			token = g.hello.Link
			events := g.events
			g.events = 0
			g.mu.Unlock()
			if events == 0 && time.Since(start) < time.Second { // an EventSource is refused so
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		}
	}
	return g.get(ctx, "", "")
}

// place is the query of a GET, and notes what it presents.
func (g *guest) place(more string) (query string, header []string) {
	text := g.positions()
	g.mu.Lock()
	g.sent = strings.Join(g.at, "")
	way := g.way
	g.mu.Unlock()

	q := url.Values{}
	if g.cid != "" {
		q.Set("_cid", g.cid)
	}
	switch {
	case text == "":
	case g.cid == "" && way == "sse": // as an EventSource
		header = []string{"Last-Event-ID", text}
	default:
		q.Set("_pos", text)
	}
	return "?" + q.Encode() + g.query + more, header
}

// get is one answer of a stream or a poll.
func (g *guest) get(ctx context.Context, more, token string) error {
	query, header := g.place(more)
	r, err := http.NewRequestWithContext(ctx, "GET", g.b.w.url+query, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if token != "" {
		r.Header.Set("Mirage-Link", token)
	}

	resp, err := g.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	return g.read(resp.Body)
}

// dial is one WebSocket.
func (g *guest) dial(ctx context.Context) error {
	query, _ := g.place("")
	c, _, err := ws.Dial(ctx, g.b.w.url+query, &ws.DialOptions{HTTPClient: g.http})
	if err != nil {
		return err
	}
	c.SetReadLimit(-1)
	g.mu.Lock()
	g.socket = c
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.socket = nil
		g.mu.Unlock()
		c.CloseNow()
	}()
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if err := g.read(strings.NewReader(string(text))); err != nil {
			return err
		}
	}
}

// read takes in a text of events. A block that is not complete counts for nothing.
func (g *guest) read(r io.Reader) error {
	p, chunk := frame.NewParser(2<<20), make([]byte, 4096)
	for {
		n, err := r.Read(chunk)
		p.Feed(chunk[:n])
		for {
			e, ok, err := p.Next()
			if err != nil {
				g.fault("parsing: %v", err)
				return err
			}
			if !ok {
				break
			}
			g.take(e)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (g *guest) fault(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faultLocked(format, args...)
}

func (g *guest) faultLocked(format string, args ...any) {
	g.faults = append(g.faults, fmt.Sprintf(format, args...))
}

// take takes in one event.
func (g *guest) take(e frame.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.note != nil {
		defer g.note(e)
	}

	g.events++
	before := g.own
	if e.HasID {
		g.move(e)
	}
	switch {
	case e.Name == frame.EventHello:
		g.greeted(e)
	case e.Topic != "":
		g.takeMessage(e)
	case e.Name == frame.EventJoined, e.Name == frame.EventLeft, e.Name == frame.EventMembers,
		e.Name == frame.EventGap && strings.Contains(string(e.Data), `"topic"`):
		g.takeControl(e)
	case e.Name == frame.EventAck:
	case strings.HasPrefix(e.Name, frame.EventHello):
		g.told = append(g.told, strings.TrimPrefix(e.Name, "mirage-"))
	default:
		g.told = append(g.told, strings.TrimSpace("session "+e.Name)+" "+string(e.Data))
		was, _ := store.ParsePosition(before)
		is, err := store.ParsePosition(g.own)
		if !e.HasID || err != nil {
			g.faultLocked("a message of the session has the id %q", e.ID)
		}
		if is.Epoch == was.Epoch && is.Seq <= was.Seq {
			g.twice++
			return
		}
		g.got = append(g.got, string(e.Data))
	}
}

// greeted takes in hello: its id has every component that was presented.
func (g *guest) greeted(e frame.Event) {
	g.hello = frame.Hello{}
	_ = json.Unmarshal(e.Data, &g.hello)
	g.hellos++
	_, echo, ok := strings.Cut(e.ID, "_")
	if ok {
		echo = "_" + echo
	}
	if echo != g.sent && (e.HasID || g.cid != "") { // that of a plain client that has lost messages comes with the gap
		g.faultLocked("presented %q, and hello has %q", g.sent, e.ID)
	}
	if wants := g.wants; g.eager && len(wants) > 0 && g.cid != "" {
		go g.ask(append([]frame.JoinTopic(nil), wants...)...)
	}
}

// move takes in an id. Those for Mirage's own clients have one part alone. Those for
// plain clients have all.
func (g *guest) move(e frame.Event) {
	own, topics := store.SplitPositions(e.ID)
	switch {
	case len(e.ID) > 512 && g.cid == "":
		g.faultLocked("an id of %d bytes", len(e.ID))
	case g.cid == "" || e.Name == frame.EventHello:
		g.own, g.at = own, g.at[:0:0]
		for _, p := range topics {
			g.at = append(g.at, p.String())
		}
	case own != "" && len(topics) == 0:
		g.own = own
	case own == "" && len(topics) == 1:
		for i, text := range g.at {
			if text[:6] == e.ID[:6] {
				g.at[i] = e.ID
				return
			}
		}
		g.at = append(g.at, e.ID)
	default:
		g.faultLocked("the id %q of %s has not one part", e.ID, e.Name)
	}
}

// in returns the room of a topic.
func (g *guest) in(topic string) *room {
	r := g.rooms[topic]
	if r == nil {
		r = &room{name: topic, texts: map[string]string{}, done: map[string]bool{}}
		g.rooms[topic] = r
	}
	return r
}

// seq is the number of the topic in an event's id, and " @number" in words.
func (g *guest) seq(topic string, e frame.Event) (seq uint64, words string) {
	if !e.HasID {
		return 0, ""
	}
	_, all := store.SplitPositions(e.ID)
	for _, p := range all {
		if p.Topic == store.TopicHash(topic) {
			return p.Seq, " @" + strconv.FormatUint(p.Seq, 10)
		}
	}
	if e.Name != frame.EventLeft {
		g.faultLocked("the id %q of an event of %s has not its position", e.ID, topic)
	}
	return 0, ""
}

// takeMessage takes in a message of a topic, or a piece of one.
func (g *guest) takeMessage(e frame.Event) {
	r, data := g.in(e.Topic), string(e.Data)
	_, at := g.seq(e.Topic, e)
	name := e.Name
	if g.cid == "" && name == e.Topic { // for a plain client, an unnamed message has this name
		name = ""
	}
	if g.cid == "" && e.Name == "" {
		g.faultLocked("a plain client gets a message without a name: %s", data)
	}
	label := name
	if e.Key != "" {
		label += "/" + e.Key
	}
	if e.Grow < 0 {
		words := strings.TrimSpace(label + " " + data)
		g.told = append(g.told, e.Topic+" "+words+at)
		if at == "" {
			g.faultLocked("a message without id: %s", words)
		}
		r.got = append(r.got, words)
		return
	}

	text := r.texts[label]
	words := fmt.Sprintf("%s %s %d+%s%s", e.Topic, label, e.Grow, short(data), at)
	if e.Done {
		words += " done"
	}
	g.told = append(g.told, words)
	switch from := int(e.Grow); {
	case from == 0:
		text = data
	case from > len(text):
		g.faultLocked("%s grows from %d, and %d bytes are there", label, from, len(text))
	default:
		over := min(len(text)-from, len(data))
		if text[from:from+over] != data[:over] {
			g.faultLocked("%s has another text at %d: %q, not %q", label, from, data[:over], text[from:from+over])
		}
		text += data[over:]
	}
	if r.texts[label] = text; e.Done {
		r.done[label] = true
	} else if e.Grow == 0 {
		delete(r.done, label)
	}
}

// short shortens a text for told.
func short(text string) string {
	if len(text) > 60 {
		return fmt.Sprintf("(%d bytes)", len(text))
	}
	return text
}

// takeControl takes in a control event of a topic.
func (g *guest) takeControl(e frame.Event) {
	var d struct {
		Topic, Position, Reason, Key string
		Lost                         *frame.Range
		Status, Retry, Count         int
		From, To                     uint64
		Members, Joined              []frame.Member
		Left                         []string
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		g.faultLocked("%s: %v: %s", e.Name, err, e.Data)
	}
	r := g.in(d.Topic)
	_, at := g.seq(d.Topic, e)
	words := d.Topic + " " + strings.TrimPrefix(e.Name, "mirage-")
	span := func(from, to uint64) string {
		if to == 0 {
			return fmt.Sprintf(" %d-null %s", from, d.Reason)
		}
		return fmt.Sprintf(" %d-%d %s", from, to, d.Reason)
	}

	switch e.Name {
	case frame.EventJoined:
		r.joins++
		r.key = d.Key
		words += at
		if d.Lost != nil {
			words += " lost" + span(d.Lost.From, d.Lost.To)
		}
		if !e.HasID || !strings.Contains(e.ID, d.Position) {
			g.faultLocked("joined has the id %q and the position %q", e.ID, d.Position)
		}
	case frame.EventLeft:
		r.left = d.Status
		words += fmt.Sprint(" ", d.Status)
		if d.Retry > 0 {
			words += fmt.Sprint(" retry ", d.Retry)
		}
		if d.Status != http.StatusTooManyRequests && d.Status != http.StatusServiceUnavailable {
			g.forget(d.Topic)
		}
	case frame.EventGap:
		words += span(d.From, d.To) + at
		r.gaps = append(r.gaps, frame.Gap{Topic: d.Topic, From: d.From, To: d.To, Reason: d.Reason})
	case frame.EventMembers:
		words += " " + r.takeMembers(e, d.Count, d.Members, d.Joined, d.Left)
		if at != "" {
			g.faultLocked("members with the id %q", e.ID)
		}
	}
	g.told = append(g.told, words)
}

// takeMembers takes in who is present, and returns it in words: infos instead of keys.
func (r *room) takeMembers(e frame.Event, count int, all, joined []frame.Member, left []string) string {
	r.count = count
	infos := func(members []frame.Member) string {
		var list []string
		for _, m := range members {
			list = append(list, string(m.Info))
		}
		return strings.Join(list, " ")
	}
	switch {
	case strings.Contains(string(e.Data), `"members":`):
		r.member = map[string]string{}
		for _, m := range all {
			r.member[m.Key] = string(m.Info)
		}
		return fmt.Sprintf("%d: %s", count, infos(all))
	case len(joined)+len(left) == 0:
		r.member = nil
		return strconv.Itoa(count)
	}
	var words strings.Builder
	words.WriteString(fmt.Sprintf("%d:", count))
	if len(joined) > 0 {
		words.WriteString(" +" + infos(joined))
	}
	for _, m := range joined {
		if r.member != nil {
			r.member[m.Key] = string(m.Info)
		}
	}
	for _, key := range left {
		words.WriteString(" -" + r.member[key])
		delete(r.member, key)
	}
	return words.String()
}

// saw checks what came since the last call, hello aside, and that there was no fault.
func (g *guest) saw(want ...string) {
	g.b.w.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if got := strings.Join(g.told, "\n"); got != strings.Join(want, "\n") {
		g.b.w.Errorf("%s saw\n%s\n\nwant\n%s\n", g.way, got, strings.Join(want, "\n"))
	}
	g.told = nil
	g.fine()
}

// skip forgets what came since the last saw.
func (g *guest) skip() {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told = nil
}

// fine reports the faults; g.mu is held.
func (g *guest) fine() {
	g.b.w.Helper()
	for _, fault := range g.faults {
		g.b.w.Errorf("%s: %s", g.way, fault)
	}
	g.faults = nil
}

// publish publishes texts in a topic.
func (w *world) publish(topic string, texts ...string) {
	w.Helper()
	for _, text := range texts {
		_, err := w.m.Topic(topic).Publish(w.Context(), store.Text(text))
		w.must(err)
	}
}

// write writes pieces of a growing message.
func (w *world) write(s *session.TopicWriter, pieces ...string) {
	w.Helper()
	for _, piece := range pieces {
		_, err := io.WriteString(s, piece)
		w.must(err)
	}
}

// open is the session of an id.
func (w *world) open(id string) *session.Session {
	w.Helper()
	s, err := w.m.Open(w.Context(), id)
	w.must(err)
	return s
}

// allJoin is an OnJoin that refuses nobody.
func allJoin(context.Context, *session.Session, *session.Join) error { return nil }
