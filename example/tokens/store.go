package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mirage-go/mirage"
)

// A Turn is a question and its answer.
type Turn struct {
	ID       string    `json:"id"`
	Question string    `json:"question"`
	Answer   string    `json:"answer,omitempty"`
	State    State     `json:"state"`
	Asked    time.Time `json:"asked"`

	Begin mirage.TopicPosition `json:"begin,omitzero"` // in the conversation's topic, before the turn
}

// State says how far the answer of a turn is:
//
//	answering ──▶ done, stopped, failed or interrupted
type State string

const (
	Answering   State = "answering"   // it is being written
	Done        State = "done"        // it is complete
	Stopped     State = "stopped"     // somebody pressed Stop
	Failed      State = "failed"      // the model returned an error
	Interrupted State = "interrupted" // the program ended
)

// maxTurns bounds a conversation.
const maxTurns = 200

// A store keeps conversations: in files for one process, or in Redis for several. Who
// answers in a conversation holds its claim. A claim has one holder, which alone writes
// into the conversation.
type store interface {
	// turns returns a conversation, the oldest turn first. One that does not exist is
	// empty.
	turns(ctx context.Context, conversation string) ([]Turn, error)
	// put writes a turn, perhaps over an older state of it. The error is errLost if
	// holder does not hold the claim.
	put(ctx context.Context, conversation, holder string, t Turn) error

	// claim takes the claim. The error is errBusy if somebody else holds it.
	claim(ctx context.Context, conversation, holder string) error
	// renew keeps the claim for another lease, and returns the turn that stop was last
	// called with, or "". The error is errLost if holder does not hold the claim any
	// more.
	renew(ctx context.Context, conversation, holder string) (stopped string, err error)
	// release gives up the claim. complete reports whether the turn has ended in the
	// store and on the pages. If not, another holder has to see to that: see abandoned.
	release(ctx context.Context, conversation, holder string, complete bool) error
	// abandoned returns the conversations whose last holder did not release the claim as
	// complete, because its node died or Redis failed. Files have none: their claims end
	// with the process.
	abandoned(ctx context.Context) ([]string, error)

	// stop asks the holder of the claim, on whatever node, to stop a turn: see renew.
	stop(ctx context.Context, conversation, turn string) error
}

const (
	lease      = 5 * time.Second        // how long a claim lasts without being renewed
	renewEvery = 500 * time.Millisecond // how soon another node stops, too
)

var (
	errBusy = errors.New("another answer is being given")
	errLost = errors.New("the claim was lost: another node may have it")
)

func sortTurns(turns []Turn) {
	slices.SortFunc(turns, func(a, b Turn) int {
		return cmp.Or(a.Asked.Compare(b.Asked), cmp.Compare(a.ID, b.ID))
	})
}

// has reports whether a turn is among turns.
func has(turns []Turn, id string) bool {
	return slices.ContainsFunc(turns, func(t Turn) bool { return t.ID == id })
}

// unended returns the last turn if it is not ended.
func unended(turns []Turn) (t Turn, ok bool) {
	if len(turns) > 0 {
		t = turns[len(turns)-1]
	}
	return t, t.State == Answering
}
