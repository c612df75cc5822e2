package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mirage-go/mirage/session"
)

// A session whose id changes may get one that lies in another shard, and so in another slot: Move is a row of steps. The first one that counts
// is in the state of the session itself (lua/move.lua, begin); whoever meets a session that is not where it says finishes its Move with
// forward, and Expired meets every one that nobody else does. Each step may be repeated and may come late.

// patience is how often a call begins anew because others moved the session meanwhile.
const patience = 16

var errRestless = fmt.Errorf("%w: redis: the session is moved faster than it can be found", session.ErrUncertain)

// name and step take a step of Move in the shard of an id, and of a log.
func (s *Store) name(ctx context.Context, act, id string, args ...string) (answer, error) {
	return s.run(ctx, shardOf(id), "name", append([]string{act, id}, args...)...)
}

func (s *Store) step(ctx context.Context, act, epoch string, args ...string) (answer, error) {
	return s.run(ctx, shardOfPlace(epoch), "move", append([]string{act, epoch}, args...)...)
}

// Move implements session.Store. It is several steps, and not seen as one: for a moment neither id may have a session. When it is over, all is done;
// an error leaves a Move that has not begun, or one that will be finished.
func (s *Store) Move(ctx context.Context, from, to, client string, keep time.Duration) error {
	if from == to {
		return nil
	}
	return s.bounded(ctx, func(ctx context.Context) error { return s.move(ctx, from, to, client, keep) })
}

func (s *Store) move(ctx context.Context, from, to, client string, keep time.Duration) error {
	ttl := millis(keep)
	if client == "" || keep < 0 {
		ttl = "0"
	}
	old, now := escape(from), escape(to)
	if _, err := s.name(ctx, "point", now, "", old, ttl); err != nil {
		return err
	}
	for range patience {
		a, err := s.name(ctx, "leave", old, "", now, escape(client), ttl)
		if err != nil || a.text(1) == "" {
			return err
		}
		begun, err := s.carry(ctx, old, a.text(1), now, keep)
		if err != nil || begun {
			return err
		}
	}
	return errRestless
}

// carry moves the session that the directory has at v. It tells whether it is not there any more.
func (s *Store) carry(ctx context.Context, from, v, to string, keep time.Duration) (begun bool, err error) {
	epoch := epochOf(v)
	far := shardOfPlace(v) != shardOf(to)
	a, err := s.step(ctx, "begin", epoch, "", from, v, to, millis(keep), flag(far))
	if err != nil {
		return false, err
	}
	if a.text(1) == "begun" {
		s.hub.wake(epoch)
		return true, s.forward(ctx, epoch, 0)
	}
	_, err = s.locate(ctx, from, v)
	return false, err
}

// locate tells whether a session is where the directory says, finishes its Move if not, and takes it out of the directory if it is elsewhere
// or nowhere.
func (s *Store) locate(ctx context.Context, id, v string) (there bool, err error) {
	for range 2 {
		at, err := s.look(ctx, epochOf(v))
		if err != nil {
			return false, err
		}
		switch {
		case at.kind == "there" && at.id == id && at.place == v:
			return true, nil
		case at.kind == "moving" || at.kind == "dead":
			if err := s.forward(ctx, epochOf(v), 0); err != nil {
				return false, err
			}
		}
	}
	at, err := s.look(ctx, epochOf(v))
	if err != nil || at.id == id && at.place == v { // if it has only just come there, it is looked for again
		return err == nil && at.kind == "there", err
	}
	_, err = s.name(ctx, "drop", id, v)
	return false, err
}

// spot is where a session says it is.
type spot struct {
	kind       string // "there", "moving", "dead", "none"
	id, place  string // what the directory is to say
	from, left string // what it is not to say any more, if it is moving
	moves      string
	frozen     string   // the session that takes this one
	entries    []string // ids and places that are to be forgotten, if it is dead
}

func (s *Store) look(ctx context.Context, epoch string) (spot, error) {
	a, err := s.step(ctx, "look", epoch, "")
	if err != nil {
		return spot{}, err
	}
	at := spot{kind: a.text(1)}
	if at.kind == "dead" {
		at.entries = a.list(2)
		return at, nil
	}
	at.id, at.place, at.from, at.left, at.moves, at.frozen = a.text(2), a.text(3), a.text(4), a.text(5), a.text(6), a.text(7)
	return at, nil
}

// forward finishes what was begun with the session: its Move, or its end.
func (s *Store) forward(ctx context.Context, epoch string, depth int) error {
	if depth > patience {
		return errRestless
	}
	for range patience {
		at, err := s.look(ctx, epoch)
		if err != nil {
			return err
		}
		var over bool
		switch at.kind {
		case "dead":
			return s.clear(ctx, epoch, at)
		case "moving":
			over, err = s.onward(ctx, epoch, at, depth)
		default:
			return nil
		}
		if err != nil || over {
			return err
		}
	}
	return errRestless
}

// clear takes a session that is over out of the directories.
func (s *Store) clear(ctx context.Context, epoch string, at spot) error {
	for i := 0; i+1 < len(at.entries); i += 2 {
		if _, err := s.name(ctx, "drop", at.entries[i], at.entries[i+1]); err != nil {
			return err
		}
	}
	_, err := s.step(ctx, "buried", epoch, "")
	return err
}

// onward takes a Move as far as it gets without having to look again.
func (s *Store) onward(ctx context.Context, epoch string, at spot, depth int) (over bool, err error) {
	into := at.frozen
	if into == "" {
		if into, err = s.settleIn(ctx, epoch, at); err != nil || into == "" {
			return err == nil && into == "", err
		}
		if into == epoch { // something was in the way
			return false, nil
		}
	}
	a, err := s.step(ctx, "freeze", epoch, at.moves, into)
	if err != nil || a.text(1) == "stale" {
		return false, err
	}
	into = a.text(1)
	s.hub.wake(epoch)
	took, err := s.step(ctx, "absorb", into, append([]string{"", epoch}, a.list(2)...)...)
	if err != nil {
		return false, err
	}
	switch took.text(1) {
	case "took":
		s.hub.wake(into)
		if _, err := s.name(ctx, "drop", at.from, at.left); err != nil {
			return false, err
		}
		_, err := s.step(ctx, "bury", epoch, at.moves)
		s.hub.wake(epoch)
		return true, err
	case "frozen": // it is on its way into a third
		return false, s.forward(ctx, into, depth+1)
	}
	if _, err := s.name(ctx, "drop", at.id, into); err != nil { // it is over
		return false, err
	}
	_, err = s.step(ctx, "thaw", epoch, at.moves, into)
	return false, err
}

// settleIn lets the directories say where the session is now. It returns "" when they do, the epoch of the session that has the id already, or
// the session's own epoch if something else had that, which is out of the way now.
func (s *Store) settleIn(ctx context.Context, epoch string, at spot) (into string, err error) {
	a, err := s.name(ctx, "claim", at.id, at.place)
	if err != nil {
		return "", err
	}
	v := a.text(1)
	if v == at.place {
		return "", s.arrive(ctx, epoch, at)
	}
	other, err := s.look(ctx, epochOf(v))
	switch {
	case err != nil:
		return "", err
	case other.id != at.id || other.place != v: // it is over, or has moved on
		_, err = s.name(ctx, "drop", at.id, v)
		return epoch, err
	case other.kind == "moving": // it has only just come
		return epoch, s.arrive(ctx, epochOf(v), other)
	}
	return epochOf(v), nil
}

// arrive ends the Move of a session that has its new id.
func (s *Store) arrive(ctx context.Context, epoch string, at spot) error {
	_, err := s.name(ctx, "drop", at.from, at.left)
	if err == nil {
		_, err = s.step(ctx, "done", epoch, at.moves)
	}
	return err
}

// Resolve implements session.Store.
func (s *Store) Resolve(ctx context.Context, id string, signed time.Time, client string) (string, bool, error) {
	at := escape(id)
	for hop := 0; ; hop++ { // it may have moved several times, and in a circle if it comes to the worst
		a, err := s.run(ctx, shardOf(at), "resolve", at, micros(signed), escape(client))
		if err != nil {
			return id, false, err
		}
		if hop == 0 {
			if a.num(1) == 1 {
				return id, true, nil
			}
			if len(a.list(2)) > 0 { // its holder has the new id: the old ones are over
				if err := s.settle(ctx, at, 0); err != nil {
					return id, false, err
				}
			}
		}
		to := a.text(3)
		if to == "" || hop == 8 {
			return unescape(at), false, nil
		}
		if v := a.text(4); v != "" { // a Move that was given up before it began
			if _, err := s.carry(ctx, at, v, to, time.Duration(max(0, a.num(5)))*time.Millisecond); err != nil {
				return id, false, err
			}
		}
		at = to
	}
}

// settle ends the ways that lead to id, and those that lead to where they begin.
func (s *Store) settle(ctx context.Context, id string, depth int) error {
	a, err := s.name(ctx, "ways", id)
	if err != nil {
		return err
	}
	for _, from := range a.list(1) {
		way, err := s.name(ctx, "unlead", from, id)
		if err != nil {
			return err
		}
		if way.num(1) == 1 && len(way.list(2)) > 0 && depth < patience {
			if err := s.settle(ctx, from, depth+1); err != nil {
				return err
			}
		}
		if _, err := s.name(ctx, "forget", id, from); err != nil {
			return err
		}
	}
	return nil
}

// elsewhere tells whether an epoch that is not of this shard's data is of another's that is still there: a session that came from there has ended,
// and Redis has lost nothing.
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

// later notes the failure of a step that somebody else will take.
func (s *Store) later(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.o.Logger.Warn("redis: a session's end is not complete; it will be completed later", "error", err)
	}
}
