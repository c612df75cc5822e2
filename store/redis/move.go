package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mirage-go/mirage/store"
)

// The new id of a session may lie in another shard than the old one, and so in another
// slot. A Move from x to y, of a session whose log may be in a third shard, is a sequence
// of steps:
//
//   - look and point, in the shards of x and y: the request is not refused, y leads
//     nowhere any more, and the way (redirect) that will lead there has a token
//   - begin, in the log's shard: its id is y, old handles are refused on every node, and
//     the rest of the Move is kept there. Before begin nothing has happened; after it
//     every call that meets the Move finishes it
//   - leave, in the shard of x: x is fenced (unsettled for a while) or revoked, and may
//     lead one client to y; the session is not there any more
//   - claim, in the shard of y: the session is there, or is joined to the one there
//   - done, in the log's shard: nothing is left to do
//
// The order of leave and claim matters: once the session can be found under y, x must
// grant nothing any more. A call that does not find a session where the directory says
// finishes its Move with forward, and Expired finds every unfinished Move that nobody
// else does. Each step may be repeated and may arrive late.

// patience is how often a call starts again because others have moved the session
// meanwhile.
const patience = 16

var errRestless = fmt.Errorf("%w: redis: the session is moved faster than it can be found", store.ErrUncertain)

// name runs a step of Move in the shard of an id, step runs one in the shard of a log.
func (s *Store) name(ctx context.Context, act, id string, args ...string) (answer, error) {
	return s.timed(ctx, shardOf(id), "name", append([]string{act, id}, args...)...)
}

func (s *Store) step(ctx context.Context, act, epoch string, args ...string) (answer, error) {
	return s.run(ctx, shardOfPlace(epoch), "move", append([]string{act, epoch}, args...)...)
}

// intent says what a Move has to do. The log keeps it until the Move is done.
type intent struct {
	from         string
	place        string // of the session that moves away from from; "" if there is none
	signed, came string // when the value that asked for it was signed, and when its request came
	to, client   string
	keep         string
	settle       string
	refuse       string
	token        string // of the way (the redirect) that leads to to; "" if there is none
	now          string // the bound of Redis's time: no value that was signed before is later
}

func newIntent(from, to string, m *store.Moving, now time.Time) intent {
	return intent{
		from: escape(from), to: escape(to), client: escape(m.Client),
		signed: given(m.Signed), came: given(m.Came), now: micros(now),
		keep: lasting(m.Keep), refuse: lasting(m.Refuse),
		settle: strconv.FormatInt(max(0, m.Settle).Microseconds(), 10),
	}
}

// list returns the arguments of the act leave, after the id.
func (i *intent) list() []string {
	return []string{i.place, i.signed, i.came, i.to, i.client, i.keep, i.settle, i.refuse, i.token, i.now}
}

// intentOf decodes the intent that a log has kept.
func intentOf(kept []string) (i intent) {
	fields := []*string{
		&i.from, &i.place, &i.signed, &i.came, &i.to, &i.client, &i.keep, &i.settle, &i.refuse, &i.token, &i.now,
	}
	for n, f := range fields {
		if n < len(kept) {
			*f = kept[n]
		}
	}
	return i
}

// Move implements store.Store. It consists of several steps and is not atomic: for a
// moment neither id may have a session. If Move returns no error, all of it is done.
// After an error, either nothing has been moved, or the Move will be finished by another
// call.
func (s *Store) Move(ctx context.Context, from, to string, m store.Moving) (left []store.Left, err error) {
	if from == to {
		return nil, nil
	}
	err = s.bounded(ctx, func(ctx context.Context) error {
		s.reports.flushID(ctx, from)
		readers, err := s.move(ctx, newIntent(from, to, &m, s.Now()))
		left = leftFrom(from, readers)
		if err == nil {
			s.catchUp(ctx, shardOf(escape(from)))
		}
		return err
	})
	return left, err
}

// leftFrom decodes the readers that were on the session before it moved.
func leftFrom(id string, readers []string) (left []store.Left) {
	for i := 0; i+1 < len(readers); i += 2 {
		left = append(left, store.Left{ID: id, Reader: unescape(readers[i]), Plain: readers[i+1] == "1"})
	}
	return left
}

// move also returns the readers that were on the session, even with an error.
func (s *Store) move(ctx context.Context, i intent) (readers []string, err error) {
	for range patience {
		if err := s.prepare(ctx, &i); err != nil {
			return readers, err
		}

		if i.place == "" { // without a session, only the id moves
			is, err := s.leave(ctx, i)
			if err != nil || is == "" {
				return readers, err
			}
			i.place = is
		}

		here, done, barred, err := s.carry(ctx, i)
		readers = append(readers, here...)
		switch {
		case err != nil:
			return readers, err
		case barred:
			return readers, store.ErrRevoked
		case done:
			return readers, nil
		}
	}

	return readers, errRestless
}

// wayKept is how much longer than a way its token is kept, to leave time to finish a
// Move.
const wayKept = time.Minute

// prepare checks whether the id may move, and where its session is. Afterwards the id
// that the session will get leads nowhere, and has a token for the way to it.
func (s *Store) prepare(ctx context.Context, i *intent) error {
	a, err := s.name(ctx, "look", i.from, i.signed, i.came)
	if err != nil {
		return err
	}
	i.place = a.text(2)

	keep := "0"
	if i.client != "" && i.keep != "0" {
		ms, _ := strconv.ParseInt(i.keep, 10, 64)
		keep = strconv.FormatInt(ms+wayKept.Milliseconds(), 10)
		if err := s.prune(ctx, i.from, a.text(3), a.text(4)); err != nil {
			return err
		}
	}

	for known := ""; ; {
		a, err := s.name(ctx, "point", i.to, i.came, keep, known, epochOf(i.place))
		if err != nil {
			return err
		}

		i.token = a.text(2)
		leads, token := a.text(3), a.text(4)
		if leads == "" {
			return nil
		}
		if err := s.prune(ctx, i.to, leads, token); err != nil {
			return err
		}
		known = token
	}
}

// prune ends the ways that lead to an id whose own way has ended, before its end is
// forgotten. They had ended with it, and must not come into force again.
func (s *Store) prune(ctx context.Context, id, to, token string) error {
	if to == "" {
		return nil
	}
	a, err := s.name(ctx, "leads", to, token)
	if err == nil && a.num(2) == 0 {
		_, err = s.name(ctx, "prune", id, token)
	}
	return err
}

// leave makes the old id unsettled, revoked or a way, as the intent says. If the id has
// another session than the intent says, leave returns its place, and nothing has changed.
func (s *Store) leave(ctx context.Context, i intent) (is string, err error) {
	a, err := s.name(ctx, "leave", i.from, i.list()...)
	return a.text(2), err
}

// carry moves the session. readers are those that were on it. done is whether it has its
// new id, and barred whether that was revoked during the Move. If both are false, the
// session was not there any more.
func (s *Store) carry(ctx context.Context, i intent) (readers []string, done, barred bool, err error) {
	epoch := epochOf(i.place)
	far := flag(shardOfPlace(i.place) != shardOf(i.to))
	args := append([]string{"", i.from, i.place, i.to, i.keep, far, i.from}, i.list()...)
	a, err := s.step(ctx, "begin", epoch, args...)
	switch {
	case err != nil:
		return nil, false, false, err
	case a.text(1) == "begun":
		s.watcher.wake(epoch)
		at := spot{kind: "moving", id: i.to, place: a.text(2), moves: a.text(3), intent: i}
		over, barred, err := s.onward(ctx, epoch, at, 0)
		if err == nil && !over {
			barred, err = s.forward(ctx, epoch, 0)
		}
		return a.list(4), true, barred, err
	}

	at, err := s.locate(ctx, i.from, i.place, store.Asked{})
	if err == nil && at.id == i.to && i.refuse != "0" { // an earlier attempt moved it and revoked the id
		s.sample(ctx)
		return nil, true, false, nil
	}
	return nil, false, false, err
}

// spot is a session's answer to the question where it is.
type spot struct {
	kind    string // "there", "moving", "barred", "dead", "none"
	id      string // the id that it has, or will have
	place   string // the place that the directory has, or will have, for that id
	verdict string // why the request is refused there; "" if it is not
	moves   string
	frozen  string   // the session that this one is joined to, if it is moving
	intent  intent   // what its Move has to do, if it is moving
	entries []string // ids and places to drop from the directory, if it is dead
	revoked string   // the id under which it was revoked, if it is dead; "" if it was not, or that is forgotten
}

// is reports whether the session has that id and that place, and is not moving.
func (at *spot) is(id, place string) bool {
	return at.kind == "there" && at.id == id && at.place == place
}

// look asks a session where it is. The other arguments check a request: whether it is
// allowed there, if the session has that id and that place.
func (s *Store) look(ctx context.Context, epoch, id, place string, asked store.Asked) (spot, error) {
	a, err := s.step(ctx, "look", epoch, "", id, place, given(asked.Signed), given(asked.Came))
	if err != nil {
		return spot{}, err
	}
	at := spot{kind: a.text(1)}
	switch at.kind {
	case "dead":
		at.entries, at.revoked = a.list(2), a.text(3)
	case "there":
		at.id, at.place, at.verdict = a.text(2), a.text(3), a.text(4)
	case "moving":
		at.id, at.place, at.moves, at.frozen = a.text(2), a.text(3), a.text(4), a.text(5)
		at.intent = intentOf(a.list(6))
	}
	return at, nil
}

// locate looks at a session where the directory says that it is. It finishes the
// session's Move if the session is not there, and drops it from the directory if it is
// elsewhere or nowhere.
func (s *Store) locate(ctx context.Context, id, place string, asked store.Asked) (spot, error) {
	epoch := epochOf(place)
	var at spot
	var err error

	for n := range 3 {
		at, err = s.look(ctx, epoch, id, place, asked)
		if err != nil || at.is(id, place) {
			return at, err
		}
		if n < 2 && (at.kind == "moving" || at.kind == "dead") {
			if _, err := s.forward(ctx, epoch, 0); err != nil {
				return at, err
			}
		}
	}

	if at.kind != "moving" { // otherwise it has just come, or is leaving, and its Move sees to the directory
		_, err = s.name(ctx, "drop", id, place)
	}
	return at, err
}

// awaited finishes the Move of a session that is on its way to the id.
func (s *Store) awaited(ctx context.Context, id, epoch string) error {
	_, err := s.forward(ctx, epoch, 0)
	if err == nil {
		_, err = s.name(ctx, "arrived", id, epoch)
	}
	return err
}

// forward finishes what was begun with the session: its Move, or its end. barred is
// whether its new id was revoked meanwhile.
func (s *Store) forward(ctx context.Context, epoch string, depth int) (barred bool, err error) {
	if depth > patience {
		return false, errRestless
	}

	for range patience {
		at, err := s.look(ctx, epoch, "", "", store.Asked{})
		if err != nil {
			return false, err
		}

		switch at.kind {
		case "dead":
			return false, s.clear(ctx, epoch, at)
		case "moving":
			over, barred, err := s.onward(ctx, epoch, at, depth)
			if err != nil || over {
				return barred, err
			}
		default:
			return at.kind == "barred", nil
		}
	}
	return false, errRestless
}

// clear removes a session that has ended from the directory.
func (s *Store) clear(ctx context.Context, epoch string, at spot) error {
	for i := 0; i+1 < len(at.entries); i += 2 {
		if _, err := s.name(ctx, "drop", at.entries[i], at.entries[i+1]); err != nil {
			return err
		}
	}
	_, err := s.step(ctx, "buried", epoch, "")
	return err
}

// onward continues a Move that has begun, as far as possible without another look.
func (s *Store) onward(ctx context.Context, epoch string, at spot, depth int) (over, barred bool, err error) {
	if _, err := s.leave(ctx, at.intent); err != nil {
		return false, false, err
	}

	if at.frozen == "" {
		a, err := s.name(ctx, "claim", at.id, at.place, at.intent.came)
		if err != nil {
			return false, false, err
		}
		switch is := a.text(2); is {
		case "":
			a, err := s.step(ctx, "bar", epoch, at.moves)
			s.watcher.wake(epoch)
			over = err == nil && a.text(1) != "stale"
			return over, over, err
		case at.place:
			_, err := s.step(ctx, "done", epoch, at.moves, a.text(3))
			return err == nil, false, err
		default:
			if at.frozen, err = s.occupant(ctx, at.id, is, depth); err != nil || at.frozen == "" {
				return false, false, err
			}
		}
	}

	over, err = s.join(ctx, epoch, at, depth)
	return over, false, err
}

// occupant returns the session that already has the id, or "" if it no longer has.
func (s *Store) occupant(ctx context.Context, id, place string, depth int) (epoch string, err error) {
	epoch = epochOf(place)
	other, err := s.look(ctx, epoch, id, place, store.Asked{})
	if err != nil || other.is(id, place) {
		return epoch, err
	}
	if other.kind == "moving" || other.kind == "dead" {
		if _, err := s.forward(ctx, epoch, depth+1); err != nil {
			return "", err
		}
	}
	if other.kind != "moving" {
		_, err = s.name(ctx, "drop", id, place)
	}
	return "", err
}

// join hands the messages of the session over to the session that has its id.
func (s *Store) join(ctx context.Context, epoch string, at spot, depth int) (over bool, err error) {
	a, err := s.step(ctx, "freeze", epoch, at.moves, at.frozen)
	if err != nil || a.text(1) == "stale" {
		return false, err
	}

	into := a.text(1)
	s.watcher.wake(epoch)
	args := append([]string{"", epoch, at.intent.from, at.intent.keep, a.text(3)}, a.list(2)...)
	took, err := s.step(ctx, "absorb", into, args...)
	if err != nil {
		return false, err
	}

	switch took.text(1) {
	case "took":
		s.watcher.wake(into)
		_, err := s.step(ctx, "bury", epoch, at.moves)
		s.watcher.wake(epoch)
		return err == nil, err
	case "frozen": // it is being joined to a third session
		_, err := s.forward(ctx, into, depth+1)
		return false, err
	}

	if _, err := s.name(ctx, "drop", at.id, into); err != nil { // that session has ended
		return false, err
	}
	_, err = s.step(ctx, "thaw", epoch, at.moves, into)
	return false, err
}

// elsewhere reports whether an epoch that is unknown to this shard belongs to the present
// data of another one. If so, the session of that epoch has ended, and Redis has lost
// nothing.
func (s *Store) elsewhere(ctx context.Context, shard int, epoch uint64) bool {
	other := shardOfEpoch(epoch)
	if other == shard {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	boot, err := s.client.Do(ctx, s.client.B().Get().Key(s.base[other]+":boot").Build()).ToString()
	return err == nil && strings.EqualFold(boot, fmt.Sprintf("%08x", epoch>>32))
}

// revokedElsewhere reports whether the session of that epoch was revoked under another
// id.
func (s *Store) revokedElsewhere(ctx context.Context, epoch uint64, id string) bool {
	at, err := s.look(ctx, fmt.Sprintf("%016x", epoch), "", "", store.Asked{})
	return err == nil && at.revoked != "" && at.revoked != escape(id)
}

// later logs the failure of a step that another call will complete.
func (s *Store) later(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.o.Logger.Warn("redis: a session's end is not complete; it will be completed later", "error", err)
	}
}
