package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/mirage-go/mirage"
)

// maxJobs is how many jobs the page may order, including those that are done.
const maxJobs = 100_000

// A worker is what the page shows of one.
type worker struct {
	Name  string `json:"name"`
	Given int    `json:"given"`
	Done  int    `json:"done"` // since it came, or the server started
}

// newBoard returns the Live of the page. Everybody may see the numbers and order jobs.
func (s *server) newBoard(port string) *mirage.Live {
	return mirage.New(mirage.Options{
		Name:      "mirage-" + port, // browsers send a cookie to every port of a host
		Insecure:  true,
		OnJoin:    func(context.Context, *mirage.Session, *mirage.Join) error { return nil },
		OnMessage: s.order,
		Topics:    func(string) mirage.TopicOptions { return mirage.TopicOptions{MaxMessages: 1, Age: 24 * time.Hour} },
	})
}

// show publishes the numbers for the page, if they have changed.
func (s *server) show(ctx context.Context) error {
	var v struct {
		Done    int      `json:"done"`
		Given   int      `json:"given"`
		Waiting int      `json:"waiting"`
		Workers []worker `json:"workers"`
	}
	v.Done, v.Given, v.Waiting = s.jobs.count()
	s.mu.Lock()
	for id, w := range s.workers {
		w.Given = s.jobs.countOf(id)
		v.Workers = append(v.Workers, *w)
	}
	s.mu.Unlock()
	slices.SortFunc(v.Workers, func(a, b worker) int { return cmp.Compare(a.Name, b.Name) })

	msg, err := mirage.JSON("numbers", v)
	if err != nil || string(msg.Data) == s.shown {
		return err
	}
	s.shown = string(msg.Data)
	_, err = s.board.Topic("board").Publish(ctx, msg)
	return err
}

// order adds the jobs that somebody at the page has ordered.
func (s *server) order(_ context.Context, _ *mirage.Session, in mirage.Incoming) error {
	done, given, waiting := s.jobs.count()
	if in.Event != "order" || done+given+waiting+100 > maxJobs {
		return fmt.Errorf("no more than %d jobs", maxJobs)
	}
	return s.jobs.add(100)
}

// nameless returns a name for a worker that does not say one. It does not tell the mirage
// id, which is a secret.
func nameless(id string) string {
	return fmt.Sprintf("worker %x", sha256.Sum256([]byte("name "+id)))[:13]
}
