package client_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// BenchmarkC1Idle measures the memory and the goroutines of an idle client, with those of
// its connections at both ends. "net/http" is the same without a client: a stream that a
// goroutine reads, and a connection on which a message was sent. The difference between
// it and "sse" is what the client itself needs.
func BenchmarkC1Idle(b *testing.B) {
	benchmarkIdle(b, "net/http", bare)
	for _, transport := range transports {
		benchmarkIdle(b, transport, func(b *testing.B, url string) func() {
			c, err := client.Dial(b.Context(), url, client.Options{Transports: []string{transport}})
			if err != nil {
				b.Fatal(err)
			}
			return func() { _ = c.Close(b.Context()) }
		})
	}
}

func benchmarkIdle(b *testing.B, name string, dial func(*testing.B, string) func()) {
	b.Run(name, func(b *testing.B) {
		live := mirage.New(mirage.Options{Insecure: true, Logger: slog.New(slog.DiscardHandler)})
		server := httptest.NewServer(live)
		defer server.Close()
		defer live.Shutdown(b.Context())
		const n = 1000
		dial(b, server.URL)() // what all share
		for b.Loop() {
			goroutines, memory := runtime.NumGoroutine(), heapAndStacks()
			all := make([]func(), n)
			for i := range all {
				all[i] = dial(b, server.URL)
			}
			time.Sleep(2 * time.Second) // until the first acknowledgements are over
			b.ReportMetric(float64(heapAndStacks()-memory)/n, "B/client")
			b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/n, "goroutines/client")
			for _, end := range all {
				end()
			}
		}
	})
}

func heapAndStacks() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

var names int

// bare opens a stream without a client.
func bare(b *testing.B, url string) (end func()) {
	names++
	query := fmt.Sprintf("?_cid=%022d", names)
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	h := &http.Client{Jar: jar, Transport: transport}
	resp, err := h.Get(url + query)
	if err != nil {
		b.Fatal(err)
	}
	go io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, make([]byte, 4<<10))

	said, err := h.Post(url+query, "text/plain", strings.NewReader("x"))
	if err != nil || said.StatusCode != http.StatusOK {
		b.Fatal(said, err)
	}
	_, _ = io.Copy(io.Discard, said.Body)
	said.Body.Close()
	return func() {
		resp.Body.Close()
		transport.CloseIdleConnections()
	}
}
