package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// get returns the status and the text of a page.
func (s *site) get(t *testing.T, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(text)
}

// The page has what the store has, as text. While an answer is given, it joins the topic
// before that answer, and afterwards behind it.
func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTest(t, simulated{perToken: 25 * time.Millisecond}, t.TempDir())
		defer s.end(t)
		after := func() string {
			t.Helper()
			status, page := s.get(t, "/c/"+talk)
			m := regexp.MustCompile(`data-after="_[0-9a-z]{10}-(\d+)"`).FindStringSubmatch(page)
			if status != http.StatusOK || m == nil {
				t.Fatalf("%d %s", status, page)
			}
			return m[1]
		}

		before := after()
		if err := s.answers.ask(t.Context(), talk, turn, "<script>alert(1)</script>"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if during := after(); during != before {
			t.Errorf("during an answer the page joins after %s, the answer begins after %s", during, before)
		}
		s.answers.work.Wait()
		if behind := after(); behind == before {
			t.Errorf("behind an answer the page joins after %s", behind)
		}

		_, page := s.get(t, "/c/"+talk)
		for _, part := range []string{`data-state="done"`, "&lt;script&gt;alert(1)&lt;/script&gt;", closing[:40]} {
			if !strings.Contains(page, part) {
				t.Errorf("the page lacks %s", part)
			}
		}
	})
}

// Every visit of / begins a conversation of its own.
func TestBegin(t *testing.T) {
	s := newTest(t, simulated{}, t.TempDir())
	defer s.end(t)
	seen := make(map[string]bool)
	for range 3 {
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		to := w.Result().Header.Get("Location")
		if id, ok := strings.CutPrefix(to, "/c/"); w.Code != http.StatusSeeOther || !ok || !isID(id) || seen[to] {
			t.Errorf("%d %s", w.Code, to)
		}
		seen[to] = true
	}
	for path, want := range map[string]int{"/c/..": 404, "/c/x": 404, "/page/tokens.js": 200, "/page/nothing.js": 404} {
		if status, _ := s.get(t, path); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
}
