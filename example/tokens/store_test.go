package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
)

// What both stores do.
func TestStores(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) store{
		"files": func(t *testing.T) store {
			s, err := openFiles(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		"Redis": func(t *testing.T) store {
			s, close, err := onNodes(startRedis(t), new(mirage.Options))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(close)
			return s
		},
	} {
		t.Run(name, func(t *testing.T) { testStore(t, open(t)) })
	}
}

func testStore(t *testing.T, s store) {
	ctx := t.Context()
	must := func(step string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", step, err, want)
		}
	}
	asked := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	first := Turn{ID: "question2", Question: "Why?", Answer: "é 漢字 🎉", State: Done, Asked: asked}
	second := Turn{ID: "question1", Question: "And?", State: Answering, Asked: asked.Add(time.Second)}
	second.Begin = mirage.TopicPosition{Topic: 1, Epoch: 2, Seq: 3}

	must("a turn without a claim", s.put(ctx, talk, "ann", first), errLost)
	must("the claim", s.claim(ctx, talk, "ann"), nil)
	must("a claim that is held", s.claim(ctx, talk, "bob"), errBusy)
	must("the claim of another conversation", s.claim(ctx, "conversation2", "bob"), nil)
	for _, turn := range []Turn{second, first} {
		must("a turn", s.put(ctx, talk, "ann", turn), nil)
	}
	must("a turn of somebody else", s.put(ctx, talk, "bob", Turn{ID: first.ID}), errLost)
	_, err := s.renew(ctx, talk, "ann")
	must("a renewal", err, nil)
	must("a release by somebody else", s.release(ctx, talk, "bob", true), nil)
	must("a claim that is still held", s.claim(ctx, talk, "bob"), errBusy)
	must("the release", s.release(ctx, talk, "ann", true), nil)
	must("a turn after the release", s.put(ctx, talk, "ann", first), errLost)
	must("the claim of the next one", s.claim(ctx, talk, "bob"), nil)

	turns, err := s.turns(ctx, talk)
	if err != nil || !slices.Equal(turns, []Turn{first, second}) {
		t.Errorf("there is %+v, %v", turns, err)
	}
	if turns, err := s.turns(ctx, "conversation2"); err != nil || len(turns) > 0 {
		t.Errorf("in a conversation without turns there is %+v, %v", turns, err)
	}
}
