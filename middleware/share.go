package middleware

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mirage-go/mirage/internal/cid"
	"github.com/mirage-go/mirage/store"
)

const (
	shareFor  = 10 * time.Second
	maxShared = 4096 // calls remembered; beyond that, each request generates its own id
)

// sharing gives parallel first requests of one client object the same id (I10).
type sharing struct {
	mu    sync.Mutex
	calls map[sharedKey]*sharedCall // guarded by mu
}

type sharedKey struct {
	cid         string
	credentials [sha256.Size]byte
}

// A sharedCall is one call of generate for all requests of its key. The first request
// makes the call.
type sharedCall struct {
	came   time.Time     // of the request that makes the call
	done   chan struct{} // closed when id and err are set
	id     string
	err    *Error
	cancel context.CancelFunc

	waiting int // requests that have not left; guarded by sharing.mu
}

// create makes an id for a request, or takes the one that a parallel request has made. A
// shared id was decided when that other request arrived, so any revocation since then
// applies.
func (m *Middleware) create(ctx context.Context, r *http.Request, q query, v *visit) (string, *Error) {
	if q.cid == "" {
		return m.generate(ctx, r)
	}
	key := sharedKey{cid: strings.Clone(q.cid), credentials: credentials(r)}
	m.shared.mu.Lock()
	call := m.shared.calls[key]
	if call == nil && len(m.shared.calls) >= maxShared {
		m.shared.mu.Unlock()
		return m.generate(ctx, r)
	}
	if call != nil {
		call.waiting++
		m.shared.mu.Unlock()
		defer m.leave(key, call)
		return m.join(ctx, r, call, v)
	}
	// The call continues if this request's client leaves, until the last request that
	// waits for it is gone.
	shared, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), m.o.Timeout)
	defer cancel()
	call = &sharedCall{came: v.came, done: make(chan struct{}), cancel: cancel, waiting: 1}
	m.shared.calls[key] = call
	m.shared.mu.Unlock()

	stop := context.AfterFunc(ctx, func() { m.leave(key, call) })
	call.id, call.err = m.generate(shared, r)
	m.shared.mu.Lock()
	call.cancel = nil // it references the request, which must not be kept for as long as the id
	close(call.done)
	m.shared.mu.Unlock()
	if call.err == nil {
		time.AfterFunc(shareFor, func() { m.forget(key, call) })
	} else {
		m.forget(key, call)
	}
	if stop() {
		m.leave(key, call)
	}
	return call.id, call.err
}

// join waits for the id of a parallel request. An id that was revoked since that request
// arrived is not shared.
func (m *Middleware) join(ctx context.Context, r *http.Request, call *sharedCall, v *visit) (string, *Error) {
	select {
	case <-call.done:
	case <-ctx.Done():
		return "", m.interrupted(generating, ctx.Err())
	}

	if call.err != nil || m.o.Sessions == nil {
		return call.id, call.err
	}

	is, err := m.o.Sessions.Resolve(ctx, call.id, store.Asked{Signed: call.came, Came: v.came}, "")
	switch {
	case err != nil:
		return "", m.failed("resolve", err)
	case is.State != store.StateGood:
		return m.generate(ctx, r)
	}

	v.decided = call.came
	return call.id, nil
}

// leave removes a request from those that wait for the call. The last one cancels a call
// that still runs.
func (m *Middleware) leave(key sharedKey, call *sharedCall) {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	call.waiting--
	if call.waiting > 0 {
		return
	}
	select {
	case <-call.done:
	default:
		m.forgetLocked(key, call) // no request may join a call that is about to be cancelled
		call.cancel()
	}
}

func (m *Middleware) forget(key sharedKey, call *sharedCall) {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	m.forgetLocked(key, call)
}

func (m *Middleware) forgetLocked(key sharedKey, call *sharedCall) {
	if m.shared.calls[key] == call {
		delete(m.shared.calls, key)
	}
}

// credentials returns a fingerprint of the headers that a browser or client adds to its
// requests on its own.
func credentials(r *http.Request) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range []string{"Cookie", "Authorization"} {
		for _, line := range r.Header[name] {
			var n [9]byte // the length first, so that no two lists of lines hash alike
			binary.BigEndian.PutUint64(n[1:], uint64(len(line)))
			h.Write(n[:])
			h.Write([]byte(line))
		}
		h.Write([]byte{1})
	}
	h.Sum(sum[:0])
	return sum
}

// aliasName names the client that may still use an id that was replaced (I6): a client
// object with the same cookies and credentials. A plain client gets no name.
func aliasName(r *http.Request, q query) string {
	if q.cid == "" {
		return ""
	}
	sum := credentials(r)
	return cid.Name(q.cid + base64.RawURLEncoding.EncodeToString(sum[:]))
}
