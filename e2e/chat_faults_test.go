package e2e

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/miragetest"
)

// notice waits until the line below the form contains the text.
func (b *tab) notice(text string) {
	b.t.Helper()
	b.until("notice "+text, fmt.Sprintf(`document.getElementById('notice').textContent.includes(%q)`, text))
}

// refuse puts a server in front of the chat that answers some requests itself.
func refuse(t *testing.T, chat *program, answer func(w http.ResponseWriter, r *http.Request) bool) *httptest.Server {
	t.Helper()
	target, err := url.Parse(chat.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/live" || !answer(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv
}

func problem(w http.ResponseWriter, status int, detail string) bool {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"status":%d,"detail":%q}`, status, detail)
	return true
}

// A page that is reloaded during a conversation neither loses nor repeats a message,
// whether the message was on its way, never reached the server, or was accepted without
// the page learning of it. X2, U1.
func TestChatReload(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	var posts atomic.Value
	posts.Store("pass")
	at := refuse(t, chat, func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Header.Get("Upgrade") != "":
			return problem(w, 502, "POSTs are what this test can stop")
		case r.Method != http.MethodPost || posts.Load() == "pass":
			return false
		case posts.Load() == "unanswered":
			repeat, err := http.NewRequest(r.Method, chat.url+r.URL.RequestURI(), r.Body)
			if err != nil {
				t.Error(err)
				return false
			}
			repeat.Header, repeat.Host = r.Header, r.Host
			if answer, err := http.DefaultClient.Do(repeat); err == nil {
				answer.Body.Close()
			}
		}
		return problem(w, 503, "not now")
	})

	ann, bob := openTab(t, browser, "ann", chat.url), openTab(t, browser, "bob", at.URL)
	ann.untilState("open")
	ann.talk("ann", 40)

	const each = 12
	for i, how := range []string{"pass", "refused", "unanswered"} {
		bob.untilState("open")
		posts.Store(how)
		prefix := fmt.Sprint("bob", i)
		bob.talk(prefix, each)
		bob.until("all written", fmt.Sprintf(`[...document.querySelectorAll('.own .text')]
			.some(e => e.textContent === '%s %d')`, prefix, each))
		bob.must(chromedp.Do(bob.ctx, chromedp.Reload()))
		posts.Store("pass")
	}

	const all = 40 + 3*each
	ann.untilShows(all)
	bob.untilShows(all)

	a, b := ann.texts(), bob.texts()
	if !slices.Equal(a, b) || len(a) != all {
		t.Errorf("they see different things\nann %q\nbob %q", a, b)
	}
	for prefix, n := range map[string]int{"ann": 40, "bob0": each, "bob1": each, "bob2": each} {
		if got := of(a, prefix); !slices.Equal(got, sequence(prefix, n)) {
			t.Errorf("%q", got)
		}
	}
	chat.stop()
}

// Without a network the page reports that, keeps what is written, and continues on its
// own once the network is back.
func TestChatOffline(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	proxy := miragetest.NewProxy(t, chat.url)

	ann, bob := openTab(t, browser, "ann", chat.url), openTab(t, browser, "bob", proxy.URL())
	ann.untilState("open")
	for i, transport := range []string{"websocket", "sse", "poll"} {
		bob.untilState("open")
		bob.use(transport)
		bob.until(transport, fmt.Sprintf(`document.body.dataset.transport === %q`, transport))
		offline(bob, true)
		proxy.Refuse()
		proxy.Cut(miragetest.RST)
		bob.untilState("reconnecting")
		bob.notice("This device is offline")
		ann.say(fmt.Sprint("ann ", i+1))
		bob.say(fmt.Sprint("bob ", i+1))
		bob.until("one message waits", `document.getElementById('waiting').textContent === '1'`)
		offline(bob, false)
		bob.notice("The server cannot be reached")
		proxy.Heal()
		bob.until("back", `document.body.dataset.state === 'open'`)
		for _, p := range []*tab{ann, bob} {
			p.untilShows(2 * (i + 1))
		}
	}

	a, b := ann.texts(), bob.texts()
	if !slices.Equal(a, b) ||
		!slices.Equal(of(a, "ann"), sequence("ann", 3)) || !slices.Equal(of(a, "bob"), sequence("bob", 3)) {
		t.Errorf("ann %q\nbob %q", a, b)
	}
	if loss := get[int](bob, `document.querySelectorAll('.mark.loss').length`); loss != 0 {
		t.Errorf("%d losses are shown", loss)
	}
	chat.stop()
}

// offline takes the network from the browser, or gives it back.
func offline(b *tab, off bool) {
	b.t.Helper()
	state := network.OverrideNetworkStateParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}
	_, err := chromedp.Call(b.ctx, network.OverrideNetworkState, state)
	b.must(err)
}

// The page quotes a server that refuses. Waiting messages stay visible, and the focus is
// where the person can continue. I5.
func TestChatRefused(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	var status atomic.Int32
	at := refuse(t, chat, func(w http.ResponseWriter, _ *http.Request) bool {
		switch status := int(status.Load()); status {
		case 503:
			w.Header().Set("Retry-After", "1")
			return problem(w, status, "come back after lunch")
		case 403:
			return problem(w, status, "<b>members</b> only")
		}
		return false
	})

	bob := openTab(t, browser, "bob", at.URL)
	bob.untilState("open")
	bob.click("away")
	bob.untilState("paused")
	bob.say("let me in")

	// A temporary refusal: the page reconnects on its own.
	status.Store(503)
	bob.click("away")
	bob.notice("The server says: come back after lunch. Next try in 1 s")

	// A permanent refusal.
	status.Store(403)
	bob.untilState("closed")
	bob.notice("This session has ended: <b>members</b> only.")
	bob.until("the message is not lost",
		`document.querySelector('.failed .note')?.textContent.startsWith('not sent: the session has ended')`)
	bob.until("nothing to write into",
		`document.getElementById('text').disabled && document.activeElement === document.getElementById('restart')`)
	bob.look("refused")

	status.Store(0)
	bob.click("restart")
	bob.untilState("open")
	bob.say("thanks")
	bob.untilShows(1)
	chat.stop()
}

// The page says that a transport does not get through, and the conversation continues
// over the other one.
func TestChatBlocked(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	at := refuse(t, chat, func(w http.ResponseWriter, r *http.Request) bool {
		return (r.URL.Query().Has("_wait") || r.Header.Get("Upgrade") != "") && problem(w, 502, "not that one")
	})
	bob := openTab(t, browser, "bob", at.URL)
	bob.until("sse", `document.body.dataset.transport === 'sse' && document.body.dataset.state === 'open'`)
	for transport, name := range map[string]string{"poll": "Long-poll", "websocket": "WebSocket"} {
		bob.use(transport)
		bob.notice(name + " does not work here")
		bob.until("the choice before", `document.querySelector("#transport :checked").value === ""`)
	}
	at.CloseClientConnections() // the failed attempts do not prevent a reconnect
	bob.say("still here")
	bob.untilShows(1)
	chat.stop()
}

// A message that is not accepted stays visible, with the reason and a way to try again.
// The queue may be full, or the handler may refuse.
func TestChatNotTaken(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	bob := openTab(t, browser, "bob", chat.url)
	bob.untilState("open")
	bob.say("\u202e") // nothing is left of it at the server
	bob.until("a refusal",
		`document.querySelector('.failed .note')?.textContent.startsWith('not sent: the server refused it')`)

	bob.click("away")
	bob.untilState("paused")
	bob.do(`document.querySelector('.failed').remove()
		for (let i = 1; i <= 258; i++) {
			document.getElementById('text').value = 'm ' + i
			document.getElementById('say').requestSubmit()
		}`)
	bob.until("two are too many", `document.querySelectorAll('.failed').length === 2
		&& document.getElementById('waiting').textContent === '256'`)
	why := get[string](bob, `document.querySelector('.failed .note').textContent`)
	if !strings.HasPrefix(why, "not sent: too many messages wait already") {
		t.Error(why)
	}

	bob.click("away")
	bob.until("256 messages", `document.querySelectorAll('.own:not(.waiting, .failed)').length === 256`)
	bob.do(`for (const button of document.querySelectorAll('.failed button')) button.click()`)
	bob.until("all", `document.querySelectorAll('.own:not(.waiting, .failed)').length === 258`)
	if got := bob.texts(); !slices.Equal(got, sequence("m", 258)) {
		t.Errorf("%q", got)
	}
	chat.stop()
}
