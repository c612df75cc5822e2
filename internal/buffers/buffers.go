// Package buffers keeps memory for what is read or written at the moment, so that idle
// connections hold none.
package buffers

import "sync"

// maxKept is the capacity, in bytes, of the largest buffer that is used again.
const maxKept = 128 << 10

// A Pool keeps values that are, or have, a buffer. The zero value is ready.
type Pool[T any] struct{ pool sync.Pool }

// Get returns a value that was Put, or else a new one.
func (p *Pool[T]) Get() *T {
	if v, ok := p.pool.Get().(*T); ok {
		return v
	}
	return new(T)
}

// Put lets v be used again, unless its buffer, whose capacity is size bytes, is larger
// than 128 KiB.
func (p *Pool[T]) Put(v *T, size int) {
	if size <= maxKept {
		p.pool.Put(v)
	}
}
