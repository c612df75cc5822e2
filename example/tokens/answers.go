package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
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
//   - "turn" is a notice, when the turn begins and when it ends. A newer one supersedes
//     the older one.
//   - "answer" is the text. It grows, and who joins later gets it whole.
type answers struct {
	live  *mirage.Live
	model Model
	store store

	ctx  context.Context // of all answers
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	running map[string]*running // by conversation; guarded by mu
}

// running is an answer that this process gives. It holds the claim of the conversation.
type running struct {
	turn   string
	holder string
	stop   context.CancelFunc
}

var (
	errTooMany  = errors.New("too many answers are being given")
	errFull     = errors.New("the conversation is too long: begin another one")
	errQuestion = errors.New("a question has text, and an id")
)

func newAnswers(model Model, kept store) *answers {
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
	begin, err := a.topic(conversation).Position(ctx)
	if err != nil {
		return err
	}

	answer, stop := context.WithCancel(a.ctx)
	r := &running{id, newHolder(), stop}
	if fresh, err := a.reserve(conversation, r); !fresh {
		stop()
		return err
	}
	t := Turn{ID: id, Question: question, State: Answering, Asked: time.Now(), Begin: begin}
	turns, err := a.begin(ctx, conversation, r.holder, t)
	if err != nil || turns == nil {
		a.release(conversation)
		return err
	}
	a.work.Go(func() { a.give(answer, conversation, r, turns) })
	return nil
}

// begin claims a conversation, adds a turn to it, and returns it. It returns nil if the
// turn is there already.
func (a *answers) begin(ctx context.Context, conversation, holder string, t Turn) ([]Turn, error) {
	if err := a.store.claim(ctx, conversation, holder); err != nil {
		if turns, _ := a.store.turns(ctx, conversation); has(turns, t.ID) {
			return nil, nil // another node answers it
		}
		return nil, err
	}

	turns, err := a.add(ctx, conversation, holder, t)
	if turns == nil {
		complete := err == nil || errors.Is(err, errFull)
		err = errors.Join(err, a.store.release(context.WithoutCancel(ctx), conversation, holder, complete))
	}
	return turns, err
}

// add is begin for the holder of the claim.
func (a *answers) add(ctx context.Context, conversation, holder string, t Turn) ([]Turn, error) {
	turns, err := a.store.turns(ctx, conversation)
	if last, ok := unended(turns); ok && err == nil { // the node that answered it died
		if err := a.settle(ctx, conversation, holder, last); err != nil {
			return nil, err
		}
		turns, err = a.store.turns(ctx, conversation)
	}
	switch {
	case err != nil:
		return nil, err
	case has(turns, t.ID):
		return nil, nil
	case len(turns) >= maxTurns:
		return nil, errFull
	}

	err = a.store.put(ctx, conversation, holder, t)
	if err == nil {
		err = a.tell(ctx, conversation, t, false)
	}
	if err != nil {
		return nil, err
	}
	return append(turns, t), nil
}

// give lets the model answer the last of the turns.
func (a *answers) give(ctx context.Context, conversation string, r *running, turns []Turn) {
	t := turns[len(turns)-1]
	steady := context.WithoutCancel(ctx) // what there is of an answer is kept, even if it was stopped
	holding, end := context.WithCancel(steady)
	var held sync.WaitGroup
	held.Go(func() { a.hold(holding, conversation, r) })
	stream := a.topic(conversation).Stream(steady, "answer", t.ID)
	var text strings.Builder

	err := a.model.Answer(ctx, turns, io.MultiWriter(&text, stream))
	switch {
	case err == nil:
		t.State = Done
	case a.ctx.Err() != nil, errors.Is(err, mirage.ErrSealed): // sealed by a node that has the claim now
		t.State = Interrupted
	case ctx.Err() != nil:
		t.State = Stopped
	default:
		t.State = Failed
		slog.Error("the model failed", "error", err)
	}

	t.Answer = string([]rune(text.String())) // as in the topic, where bytes that are not UTF-8 are replaced
	err = errors.Join(stream.Close(), a.settle(steady, conversation, r.holder, t))
	end()
	held.Wait()
	err = errors.Join(err, a.store.release(steady, conversation, r.holder, err == nil))
	a.release(conversation)
	if err != nil {
		slog.Error("an answer may be lost", "error", err)
	}
}

// A notice tells pages how far a turn is.
type notice struct {
	Turn        // without its answer, which was streamed
	Reload bool `json:"reload,omitempty"` // the topic lacks a part of the answer, which the store has
}

// tell publishes how far a turn is.
func (a *answers) tell(ctx context.Context, conversation string, t Turn, reload bool) error {
	t.Answer, t.Begin = "", mirage.TopicPosition{}
	msg, err := mirage.JSON("turn", notice{t, reload})
	if err == nil {
		msg.Key = t.ID
		_, err = a.topic(conversation).Publish(ctx, msg)
	}
	return err
}

// reserve notes that this process gives an answer, one for each conversation. It reports
// false if that very answer is given already.
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

// halt stops the answer of a turn, on whatever node. What there is of it stays. It does
// nothing if the answer has ended.
func (a *answers) halt(ctx context.Context, conversation, turn string) error {
	a.mu.Lock()
	r := a.running[conversation]
	a.mu.Unlock()
	if r == nil || r.turn != turn {
		return a.store.stop(ctx, conversation, turn)
	}
	r.stop()
	return nil
}

// interrupt stops all answers, and returns when they are kept.
func (a *answers) interrupt() {
	a.stop()
	a.work.Wait()
}
