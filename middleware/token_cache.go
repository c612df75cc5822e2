package middleware

import (
	"strings"
	"sync"
	"time"
)

const (
	maxCachedTokens = 1 << 15 // tokens; about 1 KiB each, with their entries
	maxGeneration   = 15 * time.Minute
)

// pair is the value of the id that is presented with a token, and its source.
type pair struct {
	from  source
	value string
}

// tokenCache caches link tokens that verified, each with the one value that was presented
// with it. It has two generations: when the younger one has half of maxCachedTokens or is
// 15 minutes old, the older one is evicted. A token that is used stays. The zero value is
// ready to use. All methods may be called concurrently.
type tokenCache struct {
	mu           sync.Mutex
	young, older map[string]entry // guarded by mu
	born         time.Time        // of young; guarded by mu
}

type entry struct {
	beside pair
	token  token
}

// get returns the token for signed. It reports whether the token is cached, was cached
// with the same beside, and has not expired.
func (m *tokenCache) get(signed string, beside pair) (token, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.young[signed]
	if !ok {
		if e, ok = m.older[signed]; !ok {
			return token{}, false
		}
		m.putLocked(strings.Clone(signed), e)
	}
	return e.token, e.beside == beside && time.Now().Before(e.token.expires)
}

// put caches t. It clones the strings, because they are parts of whole header blocks.
func (m *tokenCache) put(signed string, beside pair, t token) {
	beside.value = strings.Clone(beside.value)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.putLocked(strings.Clone(signed), entry{beside: beside, token: t})
}

func (m *tokenCache) putLocked(signed string, e entry) {
	if m.young == nil || len(m.young) >= maxCachedTokens/2 || time.Since(m.born) > maxGeneration {
		m.older, m.young, m.born = m.young, make(map[string]entry), time.Now()
	}
	m.young[signed] = e
}
