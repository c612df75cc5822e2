package faultfs

import (
	"maps"
	"slices"
)

const pageSize = 4096

// A node is the content of a file.
type node struct {
	data   []byte // as processes see it
	synced []byte // as it is on the disk
	dirty  map[int]bool
	lost   map[int]bool // pages whose fsync failed: they are not written back any more
}

func (n *node) clone() *node {
	return &node{slices.Clone(n.data), slices.Clone(n.synced), maps.Clone(n.dirty), maps.Clone(n.lost)}
}

func (n *node) write(b []byte, off int64) {
	if grow := off + int64(len(b)) - int64(len(n.data)); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
	}
	copy(n.data[off:], b)
	for page := int(off / pageSize); page <= int(off+int64(len(b))-1)/pageSize; page++ {
		n.dirty[page] = true
		delete(n.lost, page)
	}
}

func (n *node) resize(size int64) {
	if size < int64(len(n.data)) {
		n.data = n.data[:size:size]
		return
	}
	n.data = append(n.data, make([]byte, size-int64(len(n.data)))...)
}

// sync makes the content durable.
func (n *node) sync() {
	n.resizeSynced()
	for page := range n.dirty {
		n.writeBack(page)
	}
	clear(n.dirty)
}

// syncFailed does what Linux does when it cannot write pages: it counts them as written.
func (n *node) syncFailed() {
	maps.Copy(n.lost, n.dirty)
	clear(n.dirty)
}

func (n *node) powerLoss(keep func() bool) {
	if len(n.data) != len(n.synced) && keep() {
		n.resizeSynced()
	}
	for _, page := range slices.Sorted(maps.Keys(n.dirty)) {
		if keep() {
			n.writeBack(page)
		}
	}
	n.data = slices.Clone(n.synced)
	clear(n.dirty)
	clear(n.lost)
}

func (n *node) resizeSynced() {
	size := len(n.data)
	if size <= len(n.synced) {
		n.synced = n.synced[:size:size]
		return
	}
	n.synced = append(n.synced, make([]byte, size-len(n.synced))...)
}

func (n *node) writeBack(page int) {
	from := page * pageSize
	to := min(from+pageSize, len(n.data), len(n.synced))
	if from < to {
		copy(n.synced[from:to], n.data[from:to])
	}
}
