package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A worker that was killed in the middle of a line does not spoil the next one.
func TestHalfALine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(name, []byte(`{"job":1,"answer":"7"}`+"\n"+`{"job":2,"ans`), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l, err := openLog(name)
		if err != nil {
			t.Fatal(err)
		}
		if l.answers[1] != "7" || l.answers[2] != "" {
			t.Errorf("the log has %v", l.answers)
		}
		if err := l.add(entry{Job: 3, Answer: "9"}); err != nil {
			t.Fatal(err)
		}
		if err := l.file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l, err := openLog(name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.file.Close()
	if l.answers[3] != "9" {
		t.Errorf("the log has %v", l.answers)
	}
}
