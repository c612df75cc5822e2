package disk_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/store/disk"
)

// With MIRAGE_SERVER, the test binary is the server that tests kill and replace.
func TestMain(m *testing.M) {
	if where := os.Getenv("MIRAGE_SERVER"); where != "" {
		dir, addr, _ := strings.Cut(where, " ")
		if err := serve(dir, addr); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}

	// The tests of the suite mostly wait, so more of them run at once than there are
	// processors.
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		_ = flag.Set("test.parallel", "8")
	}
	goleak.VerifyTestMain(m)
}

// serve serves an application that sends each message back, with a question mark if it
// may be a repeat, until the process is asked to end.
func serve(dir, addr string) error {
	warnings := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})
	s, err := disk.Open(dir, disk.Small(disk.Options{Logger: slog.New(warnings)}))
	if err != nil {
		return err
	}
	live := mirage.New(mirage.Options{
		Store: s, Insecure: true, Keys: [][]byte{[]byte(strings.Repeat("k", 32))}, LinkRate: -1, Rate: -1,
		Logger: slog.New(slog.DiscardHandler),
		OnMessage: func(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
			text := string(in.Data)
			if in.Again {
				text += "?"
			}
			_, err := s.Send(ctx, mirage.Text(text))
			return err
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/live", live)
	mux.HandleFunc("POST /push", func(w http.ResponseWriter, r *http.Request) {
		if _, err := live.Send(r.Context(), r.FormValue("id"), mirage.Text(r.FormValue("text"))); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})

	terminated, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := listen(addr)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: mux}
	go func() { _ = web.Serve(l) }()
	fmt.Println("ready")

	<-terminated.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(live.Shutdown(ctx), web.Shutdown(ctx), s.Close())
}

// listen returns a listener on the address, or with "fd" the one that the process was
// given, as by systemd.
func listen(addr string) (net.Listener, error) {
	if addr != "fd" {
		return net.Listen("tcp", addr)
	}
	return net.FileListener(os.NewFile(3, "socket"))
}
