package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
)

const talk, turn = "conversation1", "question1"

// newTest returns a site whose answers are kept in dir.
func newTest(t *testing.T, model Model, dir string) *site {
	t.Helper()
	kept, err := openFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSite(model, kept, mirage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// end ends the site as run does.
func (s *site) end(t *testing.T) {
	t.Helper()
	s.answers.interrupt()
	if err := s.live.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// stored returns the only turn of the conversation.
func (s *site) stored(t *testing.T) Turn {
	t.Helper()
	turns, err := s.answers.store.turns(t.Context(), talk)
	if err != nil || len(turns) != 1 {
		t.Fatalf("%d turns, %v", len(turns), err)
	}
	return turns[0]
}

// streamed returns the text of the answer in the topic, and the last state there.
func (s *site) streamed(t *testing.T) (text string, done bool, last string) {
	t.Helper()
	history, err := s.answers.topic(talk).History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range history.Messages {
		switch p.Message.Event {
		case "answer":
			text, done = string(p.Message.Data), p.Done
		case "turn":
			last = string(p.Message.Data)
		}
	}
	return text, done, last
}

// An answer is streamed at the model's pace, and kept as it was streamed. A question that
// comes again is answered once.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTest(t, simulated{perToken: 25 * time.Millisecond}, t.TempDir())
		defer s.end(t)
		ask := func() error { return s.answers.ask(t.Context(), talk, turn, "  What is a mirage?  ") }
		begun := time.Now()
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		if got := s.stored(t); got.State != Answering || got.Question != "What is a mirage?" {
			t.Errorf("at the beginning %+v is stored", got)
		}

		time.Sleep(time.Second)
		synctest.Wait()
		text, done, last := s.streamed(t)
		if n := strings.Count(text, " "); n < 38 || n > 41 || done || !strings.Contains(last, `"answering"`) {
			t.Errorf("after a second there are %d tokens, %v, %s", n, done, last)
		}
		if err := ask(); err != nil {
			t.Errorf("the same question again: %v", err)
		}
		if err := s.answers.ask(t.Context(), talk, "question2", "And?"); !errors.Is(err, errBusy) {
			t.Errorf("another question meanwhile: %v", err)
		}

		s.answers.work.Wait()
		text, done, last = s.streamed(t)
		got := s.stored(t)
		if got.State != Done || got.Answer != text || !done || !strings.Contains(last, `"done"`) {
			t.Errorf("at the end %+v is stored, and %q, %v, %s is streamed", got, text, done, last)
		}
		if !strings.HasSuffix(text, closing) || !strings.HasPrefix(compose([]Turn{got}), text) {
			t.Errorf("the answer is %q", text)
		}
		if err := ask(); err != nil || s.stored(t) != got {
			t.Errorf("the same question once more: %v", err)
		}
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("an answer takes %v", took)
		}
	})
}

// Stop ends an answer, and only the one that is meant. What there is of it stays.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTest(t, simulated{perToken: 25 * time.Millisecond}, t.TempDir())
		defer s.end(t)
		if err := s.answers.ask(t.Context(), talk, turn, "What is a mirage?"); err != nil {
			t.Fatal(err)
		}
		halt := func(conversation, turn string) {
			if err := s.answers.halt(t.Context(), conversation, turn); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Second)
		halt(talk, "question2")
		halt("conversation2", turn)
		time.Sleep(time.Second)
		halt(talk, turn)
		s.answers.work.Wait()

		text, done, last := s.streamed(t)
		got := s.stored(t)
		if n := strings.Count(text, " "); n < 78 || n > 81 || !done || !strings.Contains(last, `"stopped"`) {
			t.Errorf("after two seconds there are %d tokens, %v, %s", n, done, last)
		}
		if got.State != Stopped || got.Answer != text {
			t.Errorf("%+v is stored, %q was streamed", got, text)
		}
		if err := s.answers.ask(t.Context(), talk, "question2", "And?"); err != nil {
			t.Errorf("the next question: %v", err)
		}
	})
}

// A program that ends keeps the beginning of an answer. After a crash there is none, and
// the page says so.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := newTest(t, simulated{perToken: 25 * time.Millisecond}, dir)
		if err := s.answers.ask(t.Context(), talk, turn, "What is a mirage?"); err != nil {
			t.Fatal(err)
		}
		crashed := s.stored(t)
		time.Sleep(time.Second)
		s.end(t)
		if err := s.answers.ask(t.Context(), talk, "question2", "And?"); err == nil {
			t.Error("a question was taken after the end")
		}

		s = newTest(t, simulated{}, dir)
		defer s.end(t)
		shown, _, err := s.answers.snapshot(t.Context(), talk)
		if err != nil || len(shown) != 1 || shown[0].State != Interrupted || shown[0].Answer == "" {
			t.Errorf("after an orderly end: %+v, %v", shown, err)
		}
		if err := errors.Join(
			s.answers.store.claim(t.Context(), talk, "test"),
			s.answers.store.put(t.Context(), talk, "test", crashed),
			s.answers.store.release(t.Context(), talk, "test", false),
		); err != nil {
			t.Fatal(err)
		}
		shown, _, err = s.answers.snapshot(t.Context(), talk)
		if err != nil || len(shown) != 1 || shown[0].State != Interrupted || shown[0].Answer != "" {
			t.Errorf("after a crash: %+v, %v", shown, err)
		}
	})
}

// broken is a model that fails after a few words, in the middle of a character.
type broken struct{}

func (broken) Answer(_ context.Context, _ []Turn, w io.Writer) error {
	_, err := io.WriteString(w, "It is \xe2\x82")
	return errors.Join(err, errors.New("out of words"))
}

func TestModelFails(t *testing.T) {
	s := newTest(t, broken{}, t.TempDir())
	defer s.end(t)
	if err := s.answers.ask(t.Context(), talk, turn, "What is a mirage?"); err != nil {
		t.Fatal(err)
	}
	s.answers.work.Wait()
	text, done, last := s.streamed(t)
	if got := s.stored(t); got.State != Failed || got.Answer != text || !done || !strings.Contains(last, `"failed"`) {
		t.Errorf("%+v is stored, %q, %v, %s was streamed", got, text, done, last)
	}
}

// If the topic lacks a part of an answer, pages are told to get it from the store.
func TestReload(t *testing.T) {
	s := newTest(t, simulated{}, t.TempDir())
	defer s.end(t)
	stream := s.answers.topic(talk).Stream(t.Context(), "answer", turn)
	whole := Turn{ID: turn, Question: "What is a mirage?", Answer: "It is real light", State: Done, Asked: time.Now()}
	_, err := io.WriteString(stream, "It is")
	err = errors.Join(err, s.answers.store.claim(t.Context(), talk, "test"),
		s.answers.settle(t.Context(), talk, "test", whole))
	if _, done, last := s.streamed(t); err != nil || !done || !strings.Contains(last, `"reload":true`) {
		t.Errorf("pages are told %s, %v, %v", last, done, err)
	}
	if got := s.stored(t); got.Answer != whole.Answer || got.State != Done {
		t.Errorf("%+v is stored", got)
	}
}

// What strangers send has bounds.
func TestBounds(t *testing.T) {
	s := newTest(t, simulated{}, t.TempDir())
	defer s.end(t)
	for _, row := range []struct{ name, conversation, id, question string }{
		{"an empty question", talk, turn, " \n"},
		{"a long question", talk, turn, strings.Repeat("x", maxQuestion+1)},
		{"a path for a turn", talk, "../../keys", "Why?"},
		{"a path for a conversation", "../../keys", turn, "Why?"},
		{"a short id", talk, "1", "Why?"},
	} {
		in := mirage.Incoming{}
		in.Message, _ = mirage.JSON("ask", map[string]string{
			"conversation": row.conversation, "id": row.id, "question": row.question,
		})
		if err := s.receive(t.Context(), nil, in); err == nil {
			t.Errorf("%s was taken", row.name)
		}
	}
	for topic, ok := range map[string]bool{
		"conversation:" + talk: true, "conversation:1": false, "conversation:../../k": false, talk: false,
	} {
		if err := s.join(t.Context(), nil, &mirage.Join{Topic: topic}); (err == nil) != ok {
			t.Errorf("joining %s: %v", topic, err)
		}
	}
}
