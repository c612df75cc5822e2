package middleware

import (
	"strings"
	"sync"
	"time"
)

const (
	maxCachedTokens = 1 << 15 // tokens; about 1 KiB each with what belongs to them
	maxGeneration   = 15 * time.Minute
)

// pair is what came beside a token: the value of the id and from where.
type pair struct {
	from  source
	value string
}

// tokenCache keeps link tokens that verified, each with the one value that came beside
// it. It has two generations: when the younger one is half the bound or 15 minutes old,
// the older one is forgotten. What is used stays. The zero value is ready; all methods
// may be called concurrently.
type tokenCache struct {
	mu           sync.Mutex
	young, older map[string]entry // guarded by mu
	born         time.Time        // of young; guarded by mu
}

type entry struct {
	beside pair
	token  token
}

// get returns the token for signed if it is known, not expired, and beside is what it was
// known with.
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

// put remembers t. It clones the texts: they are parts of whole header blocks.
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
