package stream

import (
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// closingTick is how often it is looked whether a server with links closes.
const closingTick = 100 * time.Millisecond

// watch looks, until unwatch is called, whether the server closes without a word. It is not called
// for each link alone: one timer serves all.
func (s *Server) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers++; s.watchers > 1 || s.closing == nil {
		return
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(closingTick, s.look)
	} else {
		s.timer.Reset(closingTick)
	}
}

func (s *Server) unwatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers--; s.watchers == 0 && s.timer != nil {
		s.timer.Stop()
	}
}

func (s *Server) look() {
	if s.closing() {
		s.down()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers > 0 {
		s.timer.Reset(closingTick)
	}
}

// closing returns a function that reports whether the server is one of net/http/httptest in its
// Close: it has no listener any more and keeps no connection. Close waits for requests under way,
// and neither ends their contexts nor runs what RegisterOnShutdown was given, so that there is no
// other way to know. It returns nil if that is not to be found out.
func closing(server *http.Server) func() bool {
	v := reflect.ValueOf(server).Elem()
	mu, listeners, single := v.FieldByName("mu"), v.FieldByName("listeners"), v.FieldByName("disableKeepAlives")
	if !mu.IsValid() || mu.Type() != reflect.TypeFor[sync.Mutex]() || !listeners.IsValid() || listeners.Kind() != reflect.Map ||
		!single.IsValid() || single.Type() != reflect.TypeFor[atomic.Bool]() {
		return nil
	}
	lock := (*sync.Mutex)(mu.Addr().UnsafePointer())
	noKeepAlive := (*atomic.Bool)(single.Addr().UnsafePointer())
	return func() bool {
		if !noKeepAlive.Load() {
			return false
		}
		lock.Lock()
		defer lock.Unlock()
		return listeners.Len() == 0
	}
}
