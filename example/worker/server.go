package main

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage"
)

// atOnce is how many jobs a worker has at once.
const atOnce = 8

// A server gives jobs to workers, and records their answers. Each worker has a session of
// its own. Workers ask for jobs, with "ready". From then on each answer makes room for
// another job.
type server struct {
	jobs  *jobs
	token string
	live  *mirage.Live // for the workers
	board *mirage.Live // for the page

	sessions func() error // closes what keeps the sessions
	stop     context.CancelFunc
	work     sync.WaitGroup

	mu      sync.Mutex
	workers map[string]*worker // those that are here, by their mirage id
	shown   string             // what the page shows
}

// newServer opens the directory, and starts to give out what is overdue.
func newServer(o settings, port string) (_ *server, err error) {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return nil, err
	}
	s := &server{workers: map[string]*worker{}}
	if s.token, err = secret(o.token); err != nil {
		return nil, err
	}
	if s.jobs, err = openJobs(filepath.Join(o.dir, "jobs.log"), o.lease); err != nil {
		return nil, err
	}
	if len(s.jobs.all) == 0 && o.jobs > 0 {
		if err := s.jobs.add(o.jobs); err != nil {
			return nil, err
		}
	}

	s.live, s.sessions, err = openSessions(o, mirage.Options{
		Name:      "mirage-worker",
		Insecure:  true, // for plain http: omit this with TLS
		Rate:      -1,   // whoever has the token may send as fast as it works
		OnMessage: s.receive,
		OnDetach:  s.left,
	})
	if err != nil {
		return nil, err
	}
	s.board = s.newBoard(port)

	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.work.Go(func() { s.watch(ctx) })
	return s, nil
}

func (s *server) handler() http.Handler {
	r := chi.NewRouter()
	r.With(s.workersOnly).Mount("/work", s.live)
	r.Mount("/live", s.board)
	r.Handle("/*", page())
	return r
}

// workersOnly lets requests with the token pass. Nobody else can take a job.
func (s *server) workersOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 0 {
			http.Error(w, "workers need the token", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// close ends all links, and then what keeps the sessions and the jobs.
func (s *server) close(ctx context.Context) error {
	s.stop()
	s.work.Wait()
	err := errors.Join(s.live.Shutdown(ctx), s.board.Shutdown(ctx))
	return errors.Join(err, s.sessions(), s.jobs.file.Close())
}

// receive handles what workers say. If the server is killed in between, a message may
// come twice: to be ready twice, or to answer twice, makes no difference.
func (s *server) receive(ctx context.Context, from *mirage.Session, in mirage.Incoming) error {
	var v struct {
		Name   string // of "ready"
		Job    int    // of "answer"
		Answer string
	}
	if err := json.Unmarshal(in.Data, &v); err != nil {
		return err
	}
	switch in.Event {
	case "ready":
		s.update(from.ID(), func(w *worker) { w.Name = cmp.Or(v.Name, nameless(from.ID())) })
	case "answer":
		if err := s.jobs.answer(v.Job, from.ID(), v.Answer); err != nil {
			return err
		}
		s.update(from.ID(), func(w *worker) { w.Done++ })
	default:
		return fmt.Errorf("no such event: %q", in.Event)
	}
	s.feed(ctx, from.ID())
	return nil
}

// feed gives a worker as many jobs as it may have. If the server is killed before a job
// is sent, the job is overdue after its lease, as if the worker had lost it.
func (s *server) feed(ctx context.Context, id string) {
	tasks, err := s.jobs.give(id)
	for _, t := range tasks {
		msg, _ := mirage.JSON("job", t)   // cannot fail
		msg.TTL = time.Until(t.Until) + 1 // nobody begins it later
		if _, sent := s.live.Send(ctx, id, msg); sent != nil {
			err = sent
		}
	}
	if err != nil {
		slog.Error("giving out jobs", "error", err)
	}
}

// left stops giving jobs to a worker without a link. The next worker of the same state
// file continues its session.
func (s *server) left(_ context.Context, from *mirage.Session, _ mirage.Reader) { s.forget(from.ID()) }

func (s *server) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.workers, id)
}

// doubt stops giving jobs to a worker that is late: it may hang, although it has a link.
// It gets jobs again when it says that it is ready.
func (s *server) doubt(ctx context.Context, id string) {
	s.forget(id)
	_, err := s.live.Send(ctx, id, mirage.Message{Event: "ready?", Key: "ready?"}) // once, however often it is late
	if err != nil && !errors.Is(err, mirage.ErrNotFound) {
		slog.Error("asking a worker", "error", err)
		s.update(id, func(*worker) {}) // it does not know that it has to say something
	}
}

// update changes what is known of a worker that is here.
func (s *server) update(id string, change func(*worker)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workers[id]
	if w == nil {
		w = &worker{Name: nameless(id)}
		s.workers[id] = w
	}
	change(w)
}

// watch takes overdue jobs back, gives them to those who are here, and updates the page.
func (s *server) watch(ctx context.Context) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		for id := range s.jobs.takeBack() {
			s.doubt(ctx, id)
		}
		for _, id := range s.here() {
			s.feed(ctx, id)
		}
		if err := s.show(ctx); err != nil && ctx.Err() == nil {
			slog.Error("updating the page", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// here returns the ids of the workers.
func (s *server) here() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.workers {
		ids = append(ids, id)
	}
	return ids
}
