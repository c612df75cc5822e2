package redis

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
)

//go:embed lua
var sources embed.FS

// ofIDs are the scripts that are steps of an id, not of a log. Their second result is
// Redis's time.
var ofIDs = map[string]bool{"open": true, "end": true, "resolve": true, "name": true}

// shared are the files of lua/shared that precede every step, in this order. Only steps
// of an id also get ids, and only those that concern memberships, and Move, get joins.
// Push, which is run most often, gets the first alone.
var shared = []string{
	"struct",
	"head", "prelude", "members", "lease", "save", "entries", "undelivered", "departures", "forget", "overflow",
	"sparse", "acknowledge", "finish",
}

// scripts are the steps by name, one for each file of lua. Exec uses EVALSHA, and EVAL if
// Redis does not know the script.
var scripts = func() map[string]*rueidis.Lua {
	source := func(name string) string {
		text, err := sources.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	var prelude strings.Builder
	for _, name := range shared {
		prelude.WriteString(source("shared/" + name))
	}

	all := topicScripts()
	files, err := sources.ReadDir("lua")
	if err != nil {
		panic(err)
	}
	for _, f := range files {
		name, isStep := strings.CutSuffix(f.Name(), ".lua")
		if !isStep {
			continue
		}
		before := prelude.String()
		switch {
		case name == "push":
			before = source("shared/struct")
		case ofIDs[name]:
			before += source("shared/ids")
		case name == "move" || strings.HasPrefix(name, "member_"):
			before += source("shared/joins")
		}
		all[name] = rueidis.NewLuaScript(before + source(name))
	}
	return all
}()

// refusals maps the answers of the scripts that are errors.
var refusals = map[string]error{
	"notfound": store.ErrNotFound, "lost": store.ErrNotFound, "moved": store.ErrMoved, "revoked": store.ErrRevoked,
	"superseded": store.ErrSuperseded, "ahead": store.ErrAhead, "full": store.ErrFull, "renewed": store.ErrRenewed,
	"crowded": store.ErrCrowded, "topics": store.ErrTopics, "removed": store.ErrRemoved,
	"sealed": store.ErrSealed, "toolarge": store.ErrTooLarge, "unknown": store.ErrUncertain,
}

// run runs one step in a shard. It is retried, under the same number, until its outcome
// is known or the time has run out.
func (s *Store) run(ctx context.Context, shard int, name string, args ...string) (answer, error) {
	return s.repeat(ctx, shard, name, newOp(), 0, args)
}

func newOp() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// repeat is run for a step with the number op, which was asked before times already.
func (s *Store) repeat(ctx context.Context, shard int, name, op string, before int, args []string) (answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.cut != nil && s.cut() {
		return nil, fmt.Errorf("%w: redis: %s: cut", store.ErrUncertain, name)
	}

	limit, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	argv := append([]string{op, "", s.node, s.pub, millis(s.o.Lease)}, args...)

	var why error
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		argv[1] = strconv.Itoa(before)
		a, err := s.once(limit, shard, name, argv)
		if err == nil {
			s.works()
			return a, a.refusal()
		}
		if e, ok := rueidis.IsRedisErr(err); ok && !passing(e) {
			s.fails(name, e)
			return nil, explain(name, e)
		}

		before++
		why = cause(why, err)
		select {
		case <-time.After(wait):
		case <-limit.Done():
			if ctx.Err() == nil { // otherwise the caller's time was too short
				s.fails(name, why)
			}
			return nil, fmt.Errorf("%w: redis: %s: %w", store.ErrUncertain, name, why)
		}
	}
}

// bounded gives a call of several steps no more time than a call of a single step has.
func (s *Store) bounded(ctx context.Context, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err // nothing has happened
	}
	limit, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	err := call(limit)
	if err != nil && limit.Err() != nil && !errors.Is(err, store.ErrUncertain) {
		err = fmt.Errorf("%w: redis: %w", store.ErrUncertain, err)
	}
	return err
}

// once asks once, for half of the time that a call has. An answer that was lost on one
// connection may arrive on another.
func (s *Store) once(ctx context.Context, shard int, name string, argv []string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout/2)
	defer cancel()
	base := s.base[shard]
	a, err := scripts[name].Exec(ctx, s.client, []string{base, base + ":-"}, argv).ToArray()
	if err == nil && len(a) == 0 {
		err = errAnswer
	}
	if err == nil && s.answered != nil {
		err = s.answered(name, argv)
	}
	return a, err
}

// passing reports whether Redis refused for a temporary reason: it starts, another server
// becomes the primary, or a slot migrates.
func passing(e *rueidis.RedisError) bool {
	s := e.Error()
	for _, p := range []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	// Redis 6 wraps these in the error of the script.
	return strings.Contains(s, "READONLY") || strings.Contains(s, "NOREPLICAS")
}

// explain maps an error of Redis to one of package store. A script writes its state
// first, so one that runs out of memory has changed nothing.
func explain(name string, e *rueidis.RedisError) error {
	if strings.Contains(e.Error(), "OOM") {
		if name == "open" || name == "member_join" || begins(name) {
			return fmt.Errorf("%w: redis: %w", store.ErrBudget, e)
		}
		return fmt.Errorf("%w: redis: %w", store.ErrFull, e)
	}
	return fmt.Errorf("redis: %s: %w", name, e)
}

var errAnswer = errors.New("redis: a script returned a malformed answer")

// answer is the result of a script. The first element says how it went.
type answer []rueidis.RedisMessage

func (a answer) refusal() error { return refusals[a.text(0)] }

func (a answer) text(i int) string {
	if i >= len(a) {
		return ""
	}
	s, _ := a[i].ToString()
	return s
}

func (a answer) num(i int) int64 {
	if i >= len(a) {
		return 0
	}
	n, _ := a[i].AsInt64()
	return n
}

func (a answer) seq(i int) uint64 { return uint64(a.num(i)) }

func (a answer) list(i int) []string {
	if i >= len(a) {
		return nil
	}
	all, _ := a[i].AsStrSlice()
	return all
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
func micros(t time.Time) string     { return strconv.FormatInt(t.UnixMicro(), 10) }
func decimal(n uint64) string       { return strconv.FormatUint(n, 10) }

// lasting is millis for a duration that may be zero. A positive one is at least a
// millisecond.
func lasting(d time.Duration) string {
	if d <= 0 {
		return "0"
	}
	return millis(max(d, time.Millisecond))
}

// given encodes when a value was signed, or when a request came. It rounds down to the
// microsecond, in which Redis counts, so that nothing becomes younger than it is. ""
// stands for a call of the application.
func given(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return micros(t)
}
