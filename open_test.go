package mirage_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/store/memory"
)

// S1, S2: a Live in a directory goes on after a restart, with its key and its visitors.
func TestS2Open(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var live *mirage.Live
	open := func() {
		t.Helper()
		var err error
		live, err = mirage.Open(mirage.Options{Dir: dir, Insecure: true, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		live.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, live.ID(r))
		})).ServeHTTP(w, r)
	})
	mux.HandleFunc("/live", func(w http.ResponseWriter, r *http.Request) { live.ServeHTTP(w, r) })
	open()
	s := miragetest.New(t, mux)
	t.Cleanup(func() { _ = live.Shutdown(context.Background()) })
	v := s.Visitor()
	page := func() string {
		text, _ := io.ReadAll(v.Get("/").Body)
		return string(text)
	}
	id := page()
	tab := v.Tab("/live")
	send := func(text string) {
		t.Helper()
		if _, err := live.Send(t.Context(), id, mirage.Text(text)); err != nil {
			t.Fatal(err)
		}
	}
	send("before")
	tab.Expect("", "before")

	if err := live.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	open()
	send("after")
	tab.Expect("", "after") // and no gap before it
	if again := page(); again != id {
		t.Errorf("the visitor was %s and is %s", id, again)
	}
	info, err := os.Stat(filepath.Join(dir, "keys"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the key: %v, %v", info, err)
	}
}

// S1: what is wrong with a directory is an error, and what is wrong with the options is
// told at once.
func TestS1OpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mirage.Open(mirage.Options{Dir: file, Insecure: true}); err == nil {
		t.Error("a file is a directory")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "keys"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one leaves the directory unlocked
		_, err := mirage.Open(mirage.Options{Dir: dir, Insecure: true})
		if err == nil || !strings.Contains(err.Error(), "keys") || strings.Contains(err.Error(), "short") {
			t.Errorf("a key that is none: %v", err)
		}
	}

	for name, o := range map[string]mirage.Options{
		"New":   {Dir: dir, Insecure: true},
		"Store": {Dir: dir, Insecure: true, Store: memory.New(memory.Options{})},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s accepts it", name)
				}
			}()
			if name == "New" {
				mirage.New(o)
			} else {
				_, _ = mirage.Open(o)
			}
		}()
	}
}
