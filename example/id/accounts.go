package main

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
)

// accounts is a toy table of the user behind each id. A real one is a database.
type accounts struct {
	mu    sync.Mutex
	names map[string]string // id → name, "" for a stranger
}

// generate is the middleware's Generate. It runs for a visitor who has no id.
func (a *accounts) generate(*http.Request) (string, error) {
	id := strings.ToLower(rand.Text())
	a.set(id, "")
	return id, nil
}

// validate is the middleware's Validate. It runs for an id that a request presents. An id
// in the table is accepted. Any other id has no user any more, and its visitor continues
// as a stranger with a new id. To refuse a visitor, return an error.
func (a *accounts) validate(r *http.Request, id string) (replacement string, err error) {
	if _, ok := a.name(id); ok {
		return "", nil
	}
	return a.generate(r)
}

func (a *accounts) name(id string) (name string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name, ok = a.names[id]
	return name, ok
}

func (a *accounts) set(id, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names[id] = name
}

func (a *accounts) remove(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.names, id)
}
