package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Without the token nobody gets a job, nor anything else of the workers.
func TestToken(t *testing.T) {
	dir := t.TempDir()
	s, err := newServer(settings{
		dir: dir, token: filepath.Join(dir, "token"), sessions: "memory", jobs: 1, lease: time.Minute,
	}, "0")
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.handler())
	defer h.Close()
	defer func() {
		if err := s.close(t.Context()); err != nil {
			t.Error(err)
		}
	}()

	for header, want := range map[string]int{
		"":                      http.StatusUnauthorized,
		"Bearer ":               http.StatusUnauthorized,
		"Bearer wrong":          http.StatusUnauthorized,
		"Basic " + s.token:      http.StatusUnauthorized,
		"Bearer " + s.token[1:]: http.StatusUnauthorized,
		"Bearer " + s.token:     http.StatusOK,
	} {
		for _, method := range []string{"GET", "POST"} {
			if method == "POST" && want == http.StatusOK {
				continue // it needs a link
			}
			req, _ := http.NewRequestWithContext(t.Context(), method, h.URL+"/work", strings.NewReader(""))
			req.Header.Set("Authorization", header)
			req.Header.Set("Accept", "text/event-stream")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s with %q: %s, want %d", method, header, res.Status, want)
			}
		}
	}
}

// A job that was given out comes again, marked, when its lease is over, also after a
// restart. An answer counts once, whoever gives it and whenever it comes.
func TestJobs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "jobs.log")
	open := func(lease time.Duration) *jobs {
		j, err := openJobs(name, lease)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = j.file.Close() })
		return j
	}
	give := func(j *jobs, worker string, n int, again bool) {
		t.Helper()
		tasks, err := j.give(worker)
		if err != nil || len(tasks) != n {
			t.Fatalf("%s gets %+v, %v", worker, tasks, err)
		}
		for _, task := range tasks {
			if task.Again != again {
				t.Errorf("%s gets %+v", worker, task)
			}
		}
	}

	j := open(time.Hour)
	if err := j.add(atOnce + 2); err != nil {
		t.Fatal(err)
	}
	give(j, "ann", atOnce, false)
	give(j, "ann", 0, false)
	if err := j.answer(1, "ann", "yes"); err != nil {
		t.Fatal(err)
	}
	give(j, "ann", 1, false)
	j.takeBack()
	give(j, "bob", 1, false)

	if _, err := j.file.WriteString(`{"done":2,"wor`); err != nil { // and then it was killed
		t.Fatal(err)
	}
	j = open(-time.Second) // everything is overdue
	j.takeBack()
	give(j, "bob", atOnce, true)
	for _, worker := range []string{"ann", "bob"} { // ann is late, and first
		if err := j.answer(2, worker, worker); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.answer(99, "ann", ""); err == nil {
		t.Error("there are not so many jobs")
	}

	j = open(time.Hour)
	if done, given, waiting := j.count(); done != 2 || given+waiting != atOnce {
		t.Errorf("%d done, %d given, %d waiting", done, given, waiting)
	}
}
