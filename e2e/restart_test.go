package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// S5: the server of a page is restarted while messages flow both ways, on each transport.
// Nothing is lost, doubled or reordered, the session resumes, and the page is soon back.
// This measures time, so no other test runs beside it.
func TestS5RestartPage(t *testing.T) {
	startBrowser(t)
	for _, way := range []struct {
		name            string
		socket, overlap bool // a socket outlives the processes; the new one starts while the old one ends
	}{
		{"restart", false, false}, // systemctl restart
		{"socket", true, false},   // systemctl restart, with a socket unit
		{"overlap", true, true},
	} {
		t.Run(way.name, func(t *testing.T) {
			restartPages(t, way.socket, way.overlap)
		})
	}
}

func restartPages(t *testing.T, keepSocket, overlap bool) {
	r := restarts{t: t, dir: t.TempDir()}
	r.listen(keepSocket)
	old := r.start()
	r.ready(old)

	var pages []*tab
	for _, transport := range transports {
		b := openTab(t, startBrowser(t), transport, r.url+"/restart.html?transport="+transport)
		b.until("an id", `globalThis.id?.()`)
		pages = append(pages, b)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pushed := make([]int, len(pages))
	var pushing sync.WaitGroup
	for i, b := range pages {
		to := r.url + "/push?id=" + url.QueryEscape(get[string](b, `id()`))
		pushing.Go(func() { pushed[i] = push(ctx, to) })
	}
	for _, b := range pages {
		b.until("traffic", `record.down.at(-1)?.[1] > 10 && record.back.at(-1)?.[1] > 10`)
		b.do(`forget()`)
	}

	began := time.Now()
	r.terminate(old)
	if !overlap {
		r.ended(old)
	}
	next := r.start()
	if overlap {
		r.ended(old)
	}
	r.ready(next)
	took := time.Since(began)

	for _, b := range pages {
		b.until("traffic", `record.after > 40`)
	}
	cancel()
	pushing.Wait()
	for i, b := range pages {
		b.do(`hush()`)
		b.checkRestart(pushed[i], took)
	}
}

// mostAway is how long a page may have no link beyond the time that the processes take,
// which depends on how busy the machine is.
const mostAway = 1500 * time.Millisecond

// checkRestart waits until everything has come to a page, and checks what it recorded.
func (b *tab) checkRestart(pushed int, took time.Duration) {
	b.t.Helper()
	b.until("everything", fmt.Sprintf(`record.down.at(-1)[1] >= %d && record.back.at(-1)[1] >= record.said`, pushed))
	r := get[struct {
		Away, Silence  float64 // milliseconds
		Down, Back     runs
		Said           int
		Hellos, Failed []string
		Refused        []string
	}](b, `record`)
	b.t.Logf("%s: restarted in %v; no link for %.0f ms, no message for %.0f ms; refused: %q",
		b.name, took.Round(time.Millisecond), r.Away, r.Silence, r.Refused)

	if !slices.Equal(r.Down, upTo(pushed)) || !slices.Equal(r.Back, upTo(r.Said)) {
		b.t.Errorf("%s: %v of %d came down, %v of %d came back", b.name, r.Down, pushed, r.Back, r.Said)
	}
	if !slices.Equal(r.Hellos, []string{"new"}) || len(r.Failed) > 0 { // a hello that resumes tells the page nothing
		b.t.Errorf("%s: was told %q, and of failures %q", b.name, r.Hellos, r.Failed)
	}
	if away := time.Duration(r.Away * float64(time.Millisecond)); away == 0 || away > took+mostAway {
		b.t.Errorf("%s: no link for %v, want at most %v", b.name, away, took+mostAway)
	}
}

// push has numbers sent down until ctx ends, each until the server has taken it. It
// returns how many.
func push(ctx context.Context, to string) (n int) {
	taken := func() bool {
		resp, err := http.Post(to+"&n="+strconv.Itoa(n+1), "", nil)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	for ctx.Err() == nil {
		if taken() {
			n++
		}
		time.Sleep(15 * time.Millisecond) // a rate
	}
	return n
}

// listen takes a port. With keep, its socket stays open, as one of systemd.
func (r *restarts) listen(keep bool) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil && keep {
		r.socket, err = l.(*net.TCPListener).File()
		r.t.Cleanup(func() { _ = r.socket.Close() })
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr, r.url = l.Addr().String(), "http://"+l.Addr().String()
	_ = l.Close()
}

// restarts are the processes of one server, one after another.
type restarts struct {
	t              *testing.T
	dir, addr, url string
	socket         *os.File // nil if each process listens itself
}
