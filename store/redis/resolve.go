package redis

import (
	"context"
	"strconv"

	"github.com/mirage-go/mirage/store"
)

// hops is how many ways (the redirects of old ids) are followed: an id may have moved
// several times, in the worst case in a circle.
const hops = 8

// Resolve implements store.Store.
func (s *Store) Resolve(ctx context.Context, id string, asked store.Asked, client string) (store.Standing, error) {
	is := store.Standing{ID: id}
	settle := strconv.FormatInt(store.Settle.Microseconds(), 10)

	for at, token, hop := escape(id), "", 0; ; hop++ {
		a, err := s.timed(ctx, shardOf(at), "resolve",
			at, token, escape(client), given(asked.Signed), given(asked.Came), settle, flag(asked.Named))
		if err != nil {
			return store.Standing{}, err
		}

		if hop == 0 {
			is.Quiet = a.num(3) == 1
		}
		switch a.text(2) {
		case "revoked":
			is.State = store.StateRevoked
			return is, nil
		case "moved":
			is.State = store.StateSettling
			return is, nil
		case "ended": // a way that has ended also ends the ways that lead to it
			is.ID = id
			return is, nil
		}

		is.ID = unescape(at)
		if at, token = a.text(4), a.text(5); at == "" || hop == hops {
			return is, nil
		}
	}
}
