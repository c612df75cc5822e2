package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// A webKit is a WebKitGTK under WebDriver, https://www.w3.org/TR/webdriver2/.
type webKit struct {
	t       *testing.T
	session string // the address of its WebDriver session
}

// startWebKit shows a page in a WebKit, until the test ends. WEBKIT may name another
// WebDriver than that of Debian's package webkit2gtk-driver.
func startWebKit(t *testing.T, page string) *webKit {
	t.Helper()
	path, err := exec.LookPath("WebKitWebDriver")
	if name := os.Getenv("WEBKIT"); name != "" {
		path, err = name, nil
	}
	if err != nil {
		absent(t, "no WebKit: apt-get install webkit2gtk-driver, or set WEBKIT to the path of its WebKitWebDriver")
	}

	home, port := scratch(t), freePort(t)
	driver := exec.Command(path, "--port="+port)
	driver.Env = append(os.Environ(), "DISPLAY="+startDisplay(t), "GDK_BACKEND=x11", "NO_AT_BRIDGE=1", "HOME="+home,
		"XDG_CACHE_HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home, "XDG_RUNTIME_DIR="+home)
	startProgram(t, driver)

	w := &webKit{t, "http://127.0.0.1:" + port + "/session"}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			_ = c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("WebKitWebDriver does not answer")
		}
	}

	var created struct{ SessionID string }
	w.call(http.MethodPost, "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"webkitgtk:browserOptions": map[string]any{
			"args": []string{"--automation", "--javascript-can-open-windows-automatically=true"},
		},
	}}}, &created)
	w.session += "/" + created.SessionID
	t.Cleanup(func() { w.call(http.MethodDelete, "", nil, nil) })
	w.call(http.MethodPost, "/url", map[string]any{"url": page}, nil)
	return w
}

// shut closes the window that shows an address.
func (w *webKit) shut(address string) {
	w.t.Helper()
	var handles []string
	w.call(http.MethodGet, "/window/handles", nil, &handles)
	for _, handle := range handles {
		var url string
		w.call(http.MethodPost, "/window", map[string]any{"handle": handle}, nil)
		w.call(http.MethodGet, "/url", nil, &url)
		if url == address {
			w.call(http.MethodDelete, "/window", nil, nil)
			return
		}
	}
	w.t.Fatalf("WebKit has no window at %s", address)
}

// call sends a command to the driver and stores the response's value in result.
func (w *webKit) call(method, command string, body, result any) {
	w.t.Helper()
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	req, err := http.NewRequest(method, w.session+command, bytes.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	client := http.Client{Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatalf("WebDriver: %v", err)
	}
	defer resp.Body.Close()

	answer := struct{ Value any }{result}
	if resp.StatusCode != http.StatusOK {
		answer.Value = new(any)
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("WebDriver: %s %s: %s %v", method, command, resp.Status, fmt.Sprint(answer.Value, err))
	}
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// theDisplay is an X server without a screen, shared by all tests.
var theDisplay = sync.OnceValues(func() (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()

	// It chooses a display that is free, and writes its number to file 3, which is w.
	xvfb := exec.Command("Xvfb", "-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "1280x800x24")
	xvfb.ExtraFiles = []*os.File{w}
	err = xvfb.Start()
	_ = w.Close()
	if err != nil {
		return "", err
	}
	endDisplay = func() {
		_ = xvfb.Process.Signal(os.Interrupt) // it removes its files
		_ = xvfb.Wait()
	}
	_ = r.SetReadDeadline(time.Now().Add(patience))
	number, err := bufio.NewReader(r).ReadString('\n')
	return ":" + strings.TrimSpace(number), err
})

var endDisplay = func() {}

// startDisplay returns the display for browsers that need one.
func startDisplay(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("Xvfb"); err != nil {
		absent(t, "no Xvfb, which WebKit needs: apt-get install xvfb")
	}
	display, err := theDisplay()
	if err != nil {
		t.Fatal("starting Xvfb: ", err)
	}
	return display
}
