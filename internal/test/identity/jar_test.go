package identity_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// A jar holds the cookies of one browser.
type jar struct {
	mu     sync.Mutex
	values map[string]string
}

func (j *jar) get(name string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.values[name]
}

// header returns the headers that the browser sends.
func (j *jar) header() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []string
	for name, value := range j.values {
		all = append(all, name+"="+value)
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return []string{"Cookie", strings.Join(all, "; ")}
}

func (j *jar) take(h http.Header) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		switch {
		case err != nil:
		case c.MaxAge < 0:
			delete(j.values, c.Name)
		default:
			j.values[c.Name] = c.Value
		}
	}
}
