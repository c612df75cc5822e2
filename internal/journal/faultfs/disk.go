// Package faultfs is a file system in memory, for tests of package journal and of its
// users. Its disk loses power, becomes full and reports errors as a test wants, and
// processes that use it are killed.
package faultfs

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
)

// ErrKilled is what calls of a process return that has been killed.
var ErrKilled = errors.New("faultfs: the process has been killed")

// A Disk outlives the processes that use it.
type Disk struct {
	mu      sync.Mutex
	boot    int
	process int // the one that lives
	quota   int64
	fail    func(Call) error
	calls   int
	stopAt  int // the call in which the process is killed, or 0
	random  *rand.Rand

	entries map[string]*node // as processes see them
	durable map[string]*node // as they are after a power loss, if the directory is not written back
	dirs    map[string]bool
	locked  map[string]bool
}

// New returns an empty disk. Whatever happens at random depends on the seed, and on the
// order of the calls.
func New(seed uint64) *Disk {
	return &Disk{random: rand.New(rand.NewPCG(seed, 0)), process: 1, entries: map[string]*node{},
		durable: map[string]*node{}, dirs: map[string]bool{}, locked: map[string]bool{}}
}

// Process returns the file system as a new process sees it. Processes that got it earlier
// are killed.
func (d *Disk) Process() *FS {
	d.Kill()
	d.mu.Lock()
	defer d.mu.Unlock()
	return &FS{disk: d, process: d.process}
}

// Kill kills the process that uses the disk. What it has written stays.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killLocked()
}

func (d *Disk) killLocked() {
	d.process++
	d.stopAt = 0
	clear(d.locked)
}

// PowerLoss kills the process and restarts the machine. Of each page of 4 KiB that is
// not fsynced, either the new or the old content is there. The same is true of each name
// in a directory and of the sizes of files.
func (d *Disk) PowerLoss() {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.killLocked()
	d.boot++
	keep := d.chanceLocked()
	names := maps.Clone(d.entries)
	maps.Copy(names, d.durable)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n := d.durable[name]
		if keep() {
			n = d.entries[name]
		}
		if n == nil {
			delete(d.entries, name)
		} else {
			d.entries[name] = n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.entries)) {
		d.entries[name].powerLoss(keep)
	}
	d.durable = maps.Clone(d.entries)
}

// chanceLocked returns a function that decides what has been written back: nothing,
// everything, or each thing with a probability that is drawn once.
func (d *Disk) chanceLocked() func() bool {
	p := d.random.Float64()
	switch d.random.IntN(4) {
	case 0:
		p = 0
	case 1:
		p = 1
	}
	return func() bool { return d.random.Float64() < p }
}

// SetQuota sets how many bytes all files may have together. What is there already stays.
// Zero means any number.
func (d *Disk) SetQuota(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quota = bytes
}

// Used returns how many bytes all files have.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.usedLocked()
}

func (d *Disk) usedLocked() int64 {
	var used int64
	for _, n := range d.entries {
		used += int64(len(n.data))
	}
	return used
}

// roomLocked reports whether the quota has room for so many bytes more.
func (d *Disk) roomLocked(more int64) bool {
	return more <= 0 || d.quota == 0 || d.usedLocked()+more <= d.quota
}

// Fail sets a function that is called before each call, and makes it fail by returning an
// error. It must not use the disk. Nil means that no call fails.
func (d *Disk) Fail(f func(Call) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

// KillIn kills the process in the middle of its n-th call from now, the first being 1. A
// write is then done in part.
func (d *Disk) KillIn(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopAt = d.calls + n
}

// Calls returns how many calls there have been.
func (d *Disk) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// Files returns the names of all files.
func (d *Disk) Files() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.entries))
}

// Read returns a copy of a file's content.
func (d *Disk) Read(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.entries[clean(name)].data)
}

// Write replaces a file's content, which is durable at once. It makes the file if it is
// missing.
func (d *Disk) Write(name string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &node{data: slices.Clone(data), synced: slices.Clone(data), dirty: map[int]bool{}, lost: map[int]bool{}}
	d.entries[clean(name)], d.durable[clean(name)] = n, n
}

// Delete removes a file, durably.
func (d *Disk) Delete(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.entries, clean(name))
	delete(d.durable, clean(name))
}

// Clone returns a copy of the disk as it is, with no process and no faults.
func (d *Disk) Clone(seed uint64) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()

	c := New(seed)
	c.boot = d.boot
	maps.Copy(c.dirs, d.dirs)
	copies := map[*node]*node{}
	for _, n := range d.entries {
		copies[n] = n.clone()
	}
	for name, n := range d.entries {
		c.entries[name] = copies[n]
	}
	for name, n := range d.durable {
		if copies[n] == nil {
			copies[n] = n.clone()
		}
		c.durable[name] = copies[n]
	}
	return c
}

func clean(name string) string { return filepath.ToSlash(filepath.Clean(name)) }

func (d *Disk) bootLocked() string { return fmt.Sprintf("boot %d", d.boot) }
