package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mirage-go/mirage"
)

const (
	maxQuestion = 4000      // bytes
	maxAnswer   = 256 << 10 // bytes
	maxRunning  = 100       // answers at once
)

// answers gives the answers. Two events of a conversation's topic tell of them, both with
// the turn's id as their key:
//
//   - "turn" is a Turn without its answer, when it begins and when it ends. A newer one
//     supersedes the older one.
//   - "answer" is the text. It grows, and who joins later gets it whole.
type answers struct {
	live  *mirage.Live
	model Model
	store *store

	ctx  context.Context // of all answers
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	running map[string]*running // by conversation; guarded by mu
}

// running is an answer that is being given.
type running struct {
	turn  string
	begin mirage.TopicPosition // in the topic, before the turn
	stop  context.CancelFunc
}

var (
	errBusy     = errors.New("another answer is being given")
	errTooMany  = errors.New("too many answers are being given")
	errFull     = errors.New("the conversation is too long: begin another one")
	errQuestion = errors.New("a question has text, and an id")
)

func newAnswers(model Model, kept *store) *answers {
	a := &answers{model: model, store: kept, running: make(map[string]*running)}
	a.ctx, a.stop = context.WithCancel(context.Background())
	return a
}

// topic returns the topic of a conversation. Its name is as secret as the address of the
// conversation's page.
func (a *answers) topic(conversation string) *mirage.Topic {
	return a.live.Topic("conversation:" + conversation)
}

// ask begins to answer a question. The page chose its id: a question that comes again is
// answered once.
func (a *answers) ask(ctx context.Context, conversation, id, question string) error {
	question = strings.TrimSpace(strings.ToValidUTF8(question, "\uFFFD"))
	if question == "" || len(question) > maxQuestion || !isID(id) {
		return errQuestion
	}
	topic := a.topic(conversation)
	begin, err := topic.Position(ctx)
	if err != nil {
		return err
	}

	answer, stop := context.WithCancel(a.ctx)
	if fresh, err := a.reserve(conversation, &running{id, begin, stop}); !fresh {
		stop()
		return err
	}
	turns, err := a.begin(ctx, conversation, Turn{ID: id, Question: question, State: Answering, Asked: time.Now()})
	if err != nil || turns == nil {
		a.release(conversation)
		return err
	}
	a.work.Go(func() { a.give(answer, topic, conversation, turns) })
	return nil
}

// begin adds a turn to a conversation, and returns the conversation, or nil if the turn
// is there already.
func (a *answers) begin(ctx context.Context, conversation string, t Turn) ([]Turn, error) {
	turns, err := a.store.turns(conversation)
	switch {
	case err != nil:
		return nil, err
	case slices.ContainsFunc(turns, func(o Turn) bool { return o.ID == t.ID }):
		return nil, nil
	case len(turns) >= maxTurns:
		return nil, errFull
	}
	if err := a.store.put(conversation, t); err != nil {
		return nil, err
	}
	return append(turns, t), a.tell(ctx, conversation, t)
}

// give lets the model answer the last of the turns.
func (a *answers) give(ctx context.Context, topic *mirage.Topic, conversation string, turns []Turn) {
	t := turns[len(turns)-1]
	steady := context.WithoutCancel(ctx) // what there is of an answer is kept, even if it was stopped
	stream := topic.Stream(steady, "answer", t.ID)
	var text strings.Builder

	err := a.model.Answer(ctx, turns, io.MultiWriter(stream, &text))
	switch {
	case err == nil:
		t.State = Done
	case a.ctx.Err() != nil:
		t.State = Interrupted
	case ctx.Err() != nil:
		t.State = Stopped
	default:
		t.State = Failed
		slog.Error("the model failed", "error", err)
	}

	// First the store, then the topic: a page that is rendered in between has the whole
	// answer, and passes over what the topic tells of it.
	t.Answer = text.String()
	err = errors.Join(a.store.put(conversation, t), stream.Close())
	a.release(conversation)
	if err = errors.Join(err, a.tell(steady, conversation, t)); err != nil {
		slog.Error("an answer may be lost", "error", err)
	}
}

// tell publishes how far a turn is.
func (a *answers) tell(ctx context.Context, conversation string, t Turn) error {
	t.Answer = "" // it has been streamed
	msg, err := mirage.JSON("turn", t)
	if err == nil {
		msg.Key = t.ID
		_, err = a.topic(conversation).Publish(ctx, msg)
	}
	return err
}

// reserve notes that an answer is given, one for each conversation. It reports false if
// that very answer is given already.
func (a *answers) reserve(conversation string, r *running) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch now := a.running[conversation]; {
	case now != nil && now.turn == r.turn:
		return false, nil
	case now != nil, a.ctx.Err() != nil:
		return false, errBusy
	case len(a.running) >= maxRunning:
		return false, errTooMany
	}
	a.running[conversation] = r
	return true, nil
}

func (a *answers) release(conversation string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running[conversation].stop()
	delete(a.running, conversation)
}

// halt stops the answer of a turn. What there is of it stays. It does nothing if the
// answer has ended.
func (a *answers) halt(conversation, turn string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.running[conversation]; r != nil && r.turn == turn {
		r.stop()
	}
}

// interrupt stops all answers, and returns when they are kept.
func (a *answers) interrupt() {
	a.stop()
	a.work.Wait()
}
