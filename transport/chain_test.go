package transport_test

import (
	"crypto/sha256"
	"fmt"
)

// chain is a sequence of messages that each depend on all before. A receiver that has the
// beginning can tell the right next message from any other.
type chain struct {
	n    int // how many there were
	last string
}

func newChain(kind, id string) *chain { return &chain{last: kind + " " + id} }

// next returns the next message: its number and what the one before hashes to.
func (c *chain) next() string {
	c.n++
	sum := sha256.Sum256([]byte(c.last))
	c.last = fmt.Sprintf("%d %x", c.n, sum[:8])
	return c.last
}

// take takes the message that has come, which must be the next.
func (c *chain) take(text string) error {
	before := c.n
	if want := c.next(); text != want {
		return fmt.Errorf("after message %d of the chain comes %.60q, not %q", before, text, want)
	}
	return nil
}

// skip passes over messages that are told as lost, which must be the next.
func (c *chain) skip(from, to int) error {
	if from != c.n+1 || to < from {
		return fmt.Errorf("after message %d of the chain %d to %d are told as lost", c.n, from, to)
	}
	for c.n < to {
		c.next()
	}
	return nil
}
