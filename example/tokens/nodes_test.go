package main

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/internal/needs"
)

// startRedis starts a redis-server of the test's own, and returns its address.
func startRedis(t *testing.T) string {
	t.Helper()
	program := needs.Program(t, "redis-server")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	host, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(program, "--bind", host, "--port", port, "--dir", t.TempDir(), "--save", "",
		"--appendonly", "yes", "--maxmemory-policy", "noeviction")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "redis-server listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: ", what)
		}
	}
}

// newNode returns a site that shares the conversations in a Redis.
func newNode(t *testing.T, redis string, model Model) *site {
	t.Helper()
	var o mirage.Options
	kept, close, err := onNodes(redis, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(close)
	s, err := newSite(model, kept, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.answers.interrupt()
		if err := s.live.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return s
}

// expire ends the claim of the conversation, as if its lease were over.
func (s *redisStore) expire(t *testing.T) {
	t.Helper()
	if err := s.redis.Do(t.Context(), s.redis.B().Del().Key("tokens:claim:"+talk).Build()).Error(); err != nil {
		t.Fatal(err)
	}
}

// While one node answers, the other one shows it, takes no second question, and stops it.
func TestNodes(t *testing.T) {
	redis := startRedis(t)
	a := newNode(t, redis, simulated{perToken: 20 * time.Millisecond})
	b := newNode(t, redis, simulated{perToken: 20 * time.Millisecond})
	if err := a.answers.ask(t.Context(), talk, turn, "What is a mirage?"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the beginning of an answer", func() bool {
		text, _, _ := b.streamed(t)
		return len(text) > 20
	})

	turns, after, err := b.answers.snapshot(t.Context(), talk)
	if err != nil || len(turns) != 1 || turns[0].State != Answering || after != turns[0].Begin {
		t.Errorf("the other node shows %+v, and joins after %v, %v", turns, after, err)
	}
	if err := b.answers.ask(t.Context(), talk, turn, "What is a mirage?"); err != nil {
		t.Errorf("the same question on the other node: %v", err)
	}
	if err := b.answers.ask(t.Context(), talk, "question2", "And?"); !errors.Is(err, errBusy) {
		t.Errorf("another question meanwhile: %v", err)
	}
	if got, err := b.answers.store.abandoned(t.Context()); err != nil || len(got) > 0 {
		t.Errorf("%q is abandoned, %v", got, err)
	}

	if err := b.answers.halt(t.Context(), talk, "question2"); err != nil {
		t.Error(err)
	}
	if err := b.answers.halt(t.Context(), talk, turn); err != nil {
		t.Error(err)
	}
	a.answers.work.Wait()
	text, done, last := b.streamed(t)
	if got := b.stored(t); got.State != Stopped || got.Answer != text || !done || !strings.Contains(last, `"stopped"`) {
		t.Errorf("%+v is stored, %q, %v, %s was streamed", got, text, done, last)
	}
	if err := b.answers.ask(t.Context(), talk, "question2", "And?"); err != nil {
		t.Errorf("the next question: %v", err)
	}
}

// Another node interrupts an answer whose node does not renew its claim: when a page is
// rendered, when a question comes, or by itself. What there is of the answer stays. A
// node that was only slow cannot write any more.
func TestNodesTakeOver(t *testing.T) {
	for name, takeOver := range map[string]func(t *testing.T, s *site) error{
		"shown": func(t *testing.T, s *site) error {
			_, _, err := s.answers.snapshot(t.Context(), talk)
			return err
		},
		"asked": func(t *testing.T, s *site) error {
			return s.answers.ask(t.Context(), talk, "question2", "And?")
		},
		"alone": func(t *testing.T, s *site) error {
			all, err := s.answers.store.abandoned(t.Context())
			for _, c := range all {
				err = errors.Join(err, s.answers.takeOver(t.Context(), c))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			redis := startRedis(t)
			s := newNode(t, redis, simulated{perToken: time.Millisecond})
			slow := newNode(t, redis, simulated{perToken: time.Millisecond})
			kept := slow.answers.store.(*redisStore)
			begun := Turn{ID: turn, Question: "What is a mirage?", State: Answering, Asked: time.Now()}
			stream := slow.answers.topic(talk).Stream(t.Context(), "answer", turn)
			_, err := io.WriteString(stream, "It is real light")
			err = errors.Join(err, kept.claim(t.Context(), talk, "slow"), kept.put(t.Context(), talk, "slow", begun),
				slow.answers.tell(t.Context(), talk, begun, false))
			if err != nil {
				t.Fatal(err)
			}

			if err := takeOver(t, s); err != nil && !errors.Is(err, errBusy) {
				t.Error(err)
			}
			if got := s.stored(t); got.State != Answering {
				t.Errorf("during the lease there is %+v", got)
			}
			kept.expire(t)
			if err := takeOver(t, s); err != nil {
				t.Error(err)
			}
			if _, err := stream.Write([]byte(" that took a detour")); !errors.Is(err, mirage.ErrSealed) {
				t.Errorf("a late piece: %v", err)
			}
			if err := kept.put(t.Context(), talk, "slow", begun); !errors.Is(err, errLost) {
				t.Errorf("a late turn: %v", err)
			}
			if _, err := kept.renew(t.Context(), talk, "slow"); !errors.Is(err, errLost) {
				t.Errorf("a late renewal: %v", err)
			}

			s.answers.work.Wait()
			turns, _, err := s.answers.snapshot(t.Context(), talk)
			if err != nil || turns[0].State != Interrupted || turns[0].Answer != "It is real light" {
				t.Errorf("at the end there is %+v, %v", turns, err)
			}
			told := ""
			history, err := s.answers.topic(talk).History(t.Context())
			for _, p := range history.Messages {
				if p.Message.Event == "turn" && p.Message.Key == turn {
					told = string(p.Message.Data)
				}
			}
			if err != nil || !strings.Contains(told, `"interrupted"`) || strings.Contains(told, "reload") {
				t.Errorf("pages were told %s, %v", told, err)
			}
			if got, err := kept.abandoned(t.Context()); err != nil || len(got) > 0 {
				t.Errorf("%q is abandoned, %v", got, err)
			}
		})
	}
}

// A node that loses its claim ends its answer, and does not write over what another node
// wrote.
func TestNodesLost(t *testing.T) {
	redis := startRedis(t)
	a := newNode(t, redis, simulated{perToken: 20 * time.Millisecond})
	if err := a.answers.ask(t.Context(), talk, turn, "What is a mirage?"); err != nil {
		t.Fatal(err)
	}
	a.answers.store.(*redisStore).expire(t)
	b := newNode(t, redis, simulated{perToken: time.Millisecond})
	if err := b.answers.takeOver(t.Context(), talk); err != nil {
		t.Fatal(err)
	}
	a.answers.work.Wait()
	text, done, last := b.streamed(t)
	got, told := b.stored(t), strings.Contains(last, `"interrupted"`)
	if got.State != Interrupted || got.Answer != text || !done || !told {
		t.Errorf("%+v is stored, %q, %v, %s was streamed", got, text, done, last)
	}
}
