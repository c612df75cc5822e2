package hostile_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is a running chat.
type program struct {
	*testing.T
	bin, keys, addr string
	cmd             *exec.Cmd
	log             *sink
	ended           chan error
}

func buildChat(t *testing.T) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{
		T:    t,
		bin:  filepath.Join(dir, "chat"),
		keys: filepath.Join(dir, "keys"),
		addr: "127.0.0.1:0",
		log:  new(sink),
	}
	build := exec.Command("go", "build", "-o", p.bin, "./example/chat")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return p
}

var urlOf = regexp.MustCompile(`url=http://(\S+)`)

func (p *program) start() {
	p.Helper()
	p.cmd = exec.Command(p.bin, "-addr", p.addr, "-keys", p.keys)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	said := len(p.log.String())
	if err := p.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	ended, cmd := make(chan error, 1), p.cmd
	p.ended = ended
	go func() { ended <- cmd.Wait() }()
	p.Cleanup(func() { _ = cmd.Process.Kill() })
	eventually(p, "the chat says where it listens", func() bool {
		m := urlOf.FindStringSubmatch(p.log.String()[said:])
		if m != nil {
			_, port, _ := net.SplitHostPort(m[1])
			p.addr = "127.0.0.1:" + port
		}
		return m != nil
	})
}

// end sends the signal to the chat and returns how it ended.
func (p *program) end(s os.Signal) error {
	p.Helper()
	_ = p.cmd.Process.Signal(s)
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		p.Fatal("the chat does not end")
		return nil
	}
}

// send sends raw bytes. It returns the head of the response, and the connection for its
// body.
func (p *program) send(text string) (*http.Response, *wire, error) {
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		return nil, nil, err
	}
	w := &wire{p, conn, bufio.NewReader(conn)}
	w.SetDeadline(time.Now().Add(2 * patience))
	io.WriteString(w, text)
	if strings.HasSuffix(text, halfClosed) {
		conn.(*net.TCPConn).CloseWrite()
	}
	method, _, _ := strings.Cut(text, " ")
	r, err := http.ReadResponse(w.in, &http.Request{Method: method})
	return r, w, err
}

// say posts message 1 of a writer.
func (p *program) say(cid, cookie, link string, again bool) error {
	body := up(fmt.Sprintf(`{"writer":%q,"base":1,"again":%t}`, cid, again),
		"id: 1\nevent: say\ndata: {\"text\":\""+payload+"\",\"key\":\"k1\"}\n\n")
	r, w, err := p.send(request("POST", "/live?_cid="+cid, body, "Cookie: "+cookie, withLink(link), isText))
	if err != nil {
		return err
	}
	defer w.Close()
	answer, err := io.ReadAll(r.Body)
	if string(answer) != "{\"accepted\":1}\n" {
		return errors.Join(fmt.Errorf("%s: %s", r.Status, answer), err)
	}
	return nil
}

// stream opens a stream and reads until what was read contains until.
func (p *program) stream(query, cookie, until string) (text string, set string, r *http.Response, w *wire) {
	p.Helper()
	r, w, err := p.send(request("GET", "/live?"+query, "", accept, "Cookie: "+cookie))
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { w.Close() })
	buf := make([]byte, 4096)
	for !strings.Contains(text, until) {
		n, err := r.Body.Read(buf)
		if text += string(buf[:n]); err != nil {
			p.Fatalf("%s %v: %q", r.Status, err, text)
		}
	}
	set, _, _ = strings.Cut(r.Header.Get("Set-Cookie"), ";")
	return text, set, r, w
}

// L1: the program of the README. A malformed request ends nothing but itself. After a
// kill -9 during a message each visitor is told, and the message is said once. SIGTERM
// ends the program in order. Its log has nothing that must stay secret.
func TestL1Chat(t *testing.T) {
	p := buildChat(t)
	p.start()

	const cid = "visitor-0123456789-01234"
	text, cookie, _, _ := p.stream("_cid="+cid, "a=b", "event: welcome")
	link := linkOf.FindStringSubmatch(text)[1]

	// The chat fails at none of the malformed requests.
	mallory := &probe{cid: "mallory-0123456789-01234"}
	rows := slicesOf(originRows(mallory), queryRows(mallory), bodyRows(mallory), framingRows(mallory))
	for _, row := range rows {
		r, w, err := p.send(row.send)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if r.StatusCode == 500 || r.StatusCode == 502 {
			t.Errorf("%s: %s", row.name, r.Status)
		}
		w.Close()
	}

	// kill -9 after a message, and a restart.
	if err := p.say(cid, cookie, link, false); err != nil {
		t.Error(err)
	}
	pos := regexp.MustCompile(`id: (\S+)`).FindStringSubmatch(text)[1]
	if err := p.end(syscall.SIGKILL); err == nil {
		t.Error("it survived kill -9")
	}

	p.start()
	if err := p.say(cid, cookie, link, false); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a link of the previous process: %v", err)
	}
	text, _, r, w := p.stream("_cid="+cid+"&_pos="+pos, cookie, "event: welcome")
	if !strings.Contains(text, `"resumed":false,"reason":"restarted"`) {
		t.Errorf("hello: %q", text)
	}

	for range 2 { // the second is a repeat
		if err := p.say(cid, cookie, linkOf.FindStringSubmatch(text)[1], true); err != nil {
			t.Error(err)
		}
	}

	past, _, _, _ := p.stream("_cid=newcomer-0123456789-0123", "a=b", "event: people")
	if n := strings.Count(past, `"key":"k1"`); n != 1 {
		t.Errorf("a newcomer sees the message %d times: %q", n, past)
	}

	if err := p.end(syscall.SIGTERM); err != nil {
		t.Errorf("it ended with %v", err)
	}
	rest, _ := io.ReadAll(r.Body)
	w.Close()
	if !drainOf.Match(rest) {
		t.Errorf("the stream ended with %q", rest[max(0, len(rest)-200):])
	}

	for _, secret := range []string{
		payload, cookie[strings.Index(cookie, "=")+1:], link, "_cid=", "panic", "superfluous",
	} {
		if bytes.Contains([]byte(p.log.String()), []byte(secret)) {
			t.Errorf("%q is in the log:\n%s", secret, p.log.String())
		}
	}
}
