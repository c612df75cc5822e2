package miragetest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mirage-go/mirage/miragetest"
)

// A test cuts the connection in the middle of a response, and checks how the client
// handles it.
func ExampleProxy() {
	t := new(example) // in a test, its *testing.T
	defer t.end()

	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello, world")
	}))
	t.Cleanup(srv.Close) // before NewProxy, so that it runs after the proxy is gone
	t.Cleanup(http.DefaultClient.CloseIdleConnections)

	proxy := miragetest.NewProxy(t, srv.URL)
	proxy.CutAfter(miragetest.Down, 100, miragetest.FIN)
	for range 2 {
		resp, err := http.Get(proxy.URL())
		if err != nil {
			fmt.Println("no answer")
			continue
		}
		body, err := io.ReadAll(resp.Body)
		fmt.Printf("%q, %v\n", body, err)
		resp.Body.Close()
	}
	fmt.Println("connections:", proxy.Stats().Connections)
	// Output:
	// no answer
	// "hello, world", <nil>
	// connections: 2
}

// example has the methods of a *testing.T that the examples need.
type example struct {
	testing.TB
	cleanups []func()
}

func (e *example) Helper() {}

func (e *example) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (e *example) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }

func (e *example) end() {
	for i := len(e.cleanups) - 1; i >= 0; i-- {
		e.cleanups[i]()
	}
}
