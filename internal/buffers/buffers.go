// Package buffers pools buffers for reads and writes in progress, so that idle
// connections hold none.
package buffers

import "sync"

// maxKept is the capacity, in bytes, of the largest buffer that is reused.
const maxKept = 128 << 10

// A Pool pools values that are, or have, a buffer. The zero value is ready to use.
type Pool[T any] struct{ pool sync.Pool }

// Get returns a value from the pool, or a new one if the pool is empty.
func (p *Pool[T]) Get() *T {
	if v, ok := p.pool.Get().(*T); ok {
		return v
	}
	return new(T)
}

// Put returns v to the pool, unless its buffer is larger than 128 KiB. size is the
// capacity of the buffer in bytes.
func (p *Pool[T]) Put(v *T, size int) {
	if size <= maxKept {
		p.pool.Put(v)
	}
}
