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

// A session whose id changes may get one that lies in another shard, and so in another
// slot. Move of x to y, whose log is in a third shard, is a row of steps:
//
//   - look and point, in the shards of x and y: nothing of what was asked was revoked, y
//     leads nowhere any more, and the way that will lead there has a token
//   - begin, in the log's shard: its id is y, old handles are refused on every node, and
//     what is left to do is kept there. Before it nothing has happened; after it
//     everybody finishes
//   - leave, in the shard of x: its fence, its revocation, its way; the session is not
//     there
//   - claim, in the shard of y: the session is there, or is joined to the one that is
//   - done, in the log's shard
//
// The order of leave and claim matters: once the session is found under y, x must give
// nothing away. Whoever meets a session that is not where it says finishes its Move with
// forward, and Expired meets every one that nobody else does. Each step may be repeated
// and may come late.

// patience is how often a call begins anew because others moved the session meanwhile.
const patience = 16

var errRestless = fmt.Errorf("%w: redis: the session is moved faster than it can be found", store.ErrUncertain)

// name and step take a step of Move in the shard of an id, and of a log.
func (s *Store) name(ctx context.Context, act, id string, args ...string) (answer, error) {
	return s.timed(ctx, shardOf(id), "name", append([]string{act, id}, args...)...)
}

func (s *Store) step(ctx context.Context, act, epoch string, args ...string) (answer, error) {
	return s.run(ctx, shardOfPlace(epoch), "move", append([]string{act, epoch}, args...)...)
}

// intent is what a Move is to do. The log keeps it until it is done.
type intent struct {
	from         string
	place        string // of the session that is to leave from; "" for none
	signed, came string // on whose word
	to, client   string
	keep         string
	settle       string
	refuse       string
	token        string // of the way that leads to to; "" for none
	now          string // nothing that was signed before is later
}

func newIntent(from, to string, m *store.Moving, now time.Time) intent {
	return intent{
		from: escape(from), to: escape(to), client: escape(m.Client),
		signed: given(m.Signed), came: given(m.Came), now: micros(now),
		keep: lasting(m.Keep), refuse: lasting(m.Refuse),
		settle: strconv.FormatInt(max(0, m.Settle).Microseconds(), 10),
	}
}

// list is the arguments of leave, after the id.
func (i *intent) list() []string {
	return []string{i.place, i.signed, i.came, i.to, i.client, i.keep, i.settle, i.refuse, i.token, i.now}
}

// intentOf reads what a log has kept.
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

// Move implements store.Store. It is several steps, and not seen as one: for a moment
// neither id may have a session. When it is over, all is done; an error leaves a Move
// that has not begun, or one that will be finished.
func (s *Store) Move(ctx context.Context, from, to string, m store.Moving) (left []store.Left, err error) {
	if from == to {
		return nil, nil
	}
	err = s.bounded(ctx, func(ctx context.Context) error {
		readers, err := s.move(ctx, newIntent(from, to, &m, s.Now()))
		left = leftFrom(from, readers)
		if err == nil {
			s.catchUp(ctx, shardOf(escape(from)))
		}
		return err
	})
	return left, err
}

// leftFrom reads who was here before a session moved.
func leftFrom(id string, readers []string) (left []store.Left) {
	for i := 0; i+1 < len(readers); i += 2 {
		left = append(left, store.Left{ID: id, Reader: unescape(readers[i]), Plain: readers[i+1] == "1"})
	}
	return left
}

// move returns who was here, beside an error, too.
func (s *Store) move(ctx context.Context, i intent) (readers []string, err error) {
	for range patience {
		if err := s.prepare(ctx, &i); err != nil {
			return readers, err
		}

		if i.place == "" { // without a session there is nothing to move but the id
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

// wayKept is how much longer than a way its token is kept: as long as it takes to finish
// a Move.
const wayKept = time.Minute

// prepare looks whether the id may move, and where its session is. The id that it is to
// get leads nowhere afterwards, and has a token for the way.
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

// prune ends the ways that lead to an id whose own way has ended, before that is
// forgotten: they had ended with it, and must not begin again.
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

// leave lets the id that a session had, if any, be unsettled, revoked or a way. It
// returns the place of a session that is not to leave; then nothing has changed.
func (s *Store) leave(ctx context.Context, i intent) (is string, err error) {
	a, err := s.name(ctx, "leave", i.from, i.list()...)
	return a.text(2), err
}

// carry moves the session. readers are those that were here; done is whether it has its
// new id, and barred whether that was revoked under way; else the session was not there
// any more.
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
	if err == nil && at.id == i.to && i.refuse != "0" { // an earlier attempt, which has revoked the id by now
		s.sample(ctx)
		return nil, true, false, nil
	}
	return nil, false, false, err
}

// spot is where a session says it is.
type spot struct {
	kind    string // "there", "moving", "barred", "dead", "none"
	id      string // under which it is there, or will be
	place   string // what the directory is to say of that
	verdict string // why what was asked does not count there; "" if it does
	moves   string
	frozen  string   // the session that takes this one, if it is moving
	intent  intent   // likewise
	entries []string // id and place that are to be forgotten, if it is dead
	revoked string   // likewise, the id under which it was revoked; "" if it was not, or that is forgotten
}

// is reports whether the session is there under that id.
func (at *spot) is(id, place string) bool {
	return at.kind == "there" && at.id == id && at.place == place
}

// look asks a session where it is. The rest is who asks, on whose word, for its place
// under id.
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

// locate looks at a session where the directory says that it is, finishes its Move if it
// is not there, and takes it out of the directory if it is elsewhere or nowhere.
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

	if at.kind != "moving" { // else it has only just come, or is leaving, which is more than to drop it
		_, err = s.name(ctx, "drop", id, place)
	}
	return at, err
}

// awaited finishes the Move of a session that is on its way to an id.
func (s *Store) awaited(ctx context.Context, id, epoch string) error {
	_, err := s.forward(ctx, epoch, 0)
	if err == nil {
		_, err = s.name(ctx, "arrived", id, epoch)
	}
	return err
}

// forward finishes what was begun with the session: its Move, or its end. barred is
// whether its new id was revoked under way.
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

// clear takes a session that is over out of the directory.
func (s *Store) clear(ctx context.Context, epoch string, at spot) error {
	for i := 0; i+1 < len(at.entries); i += 2 {
		if _, err := s.name(ctx, "drop", at.entries[i], at.entries[i+1]); err != nil {
			return err
		}
	}
	_, err := s.step(ctx, "buried", epoch, "")
	return err
}

// onward takes a Move that has begun as far as it gets without having to look again.
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

// occupant is the session that has the id already, or "" if it is out of the way now.
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

// join hands what is in the session over to the one that has its id.
func (s *Store) join(ctx context.Context, epoch string, at spot, depth int) (over bool, err error) {
	a, err := s.step(ctx, "freeze", epoch, at.moves, at.frozen)
	if err != nil || a.text(1) == "stale" {
		return false, err
	}

	into := a.text(1)
	s.watcher.wake(epoch)
	args := append([]string{"", epoch, at.intent.from, at.intent.keep}, a.list(2)...)
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
	case "frozen": // it is on its way into a third
		_, err := s.forward(ctx, into, depth+1)
		return false, err
	}

	if _, err := s.name(ctx, "drop", at.id, into); err != nil { // it is over
		return false, err
	}
	_, err = s.step(ctx, "thaw", epoch, at.moves, into)
	return false, err
}

// elsewhere tells whether an epoch that is not of this shard's data is of another's that
// is still there: a session that came from there has ended, and Redis has lost nothing.
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

// later notes the failure of a step that somebody else will take.
func (s *Store) later(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.o.Logger.Warn("redis: a session's end is not complete; it will be completed later", "error", err)
	}
}
