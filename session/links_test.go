package session

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// A goroutine that wakes a session's links while others are added and removed meets each
// link that was there all the time.
func TestLinksWhileTheyChange(t *testing.T) {
	s := &Session{m: New(Options{MaxLinks: 1000})}
	link := func(n uint64) *Link {
		l := &Link{s: s}
		l.Hello.Link.Number = n
		return l
	}

	stay := make([]*Link, 5)
	var group sync.WaitGroup
	done := make(chan struct{})
	for i := range stay {
		for n := range uint64(3) {
			s.add(link(100 + 10*uint64(i) + n))
		}
		stay[i] = link(uint64(i))
		s.add(stay[i])
	}

	for i := range 4 {
		group.Go(func() {
			var mine []*Link
			for n := range 5000 {
				if len(mine) > 0 && rand.IntN(2) == 0 {
					at := rand.IntN(len(mine))
					s.remove(mine[at])
					s.remove(mine[at]) // the second time does nothing
					mine = slices.Delete(mine, at, at+1)
				} else {
					mine = append(mine, link(uint64(1000+10000*i+n)))
					s.add(mine[len(mine)-1])
				}
			}
			for _, l := range mine {
				s.remove(l)
			}
		})
	}

	var walker sync.WaitGroup
	walker.Go(func() {
		for {
			met := make(map[*Link]bool)
			for l := range s.all() {
				met[l] = true
			}
			for i, l := range stay {
				if !met[l] {
					t.Errorf("link %d was not met", i)
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})

	group.Wait()
	close(done)
	walker.Wait()

	var left []uint64
	for l := range s.all() {
		left = append(left, l.Hello.Link.Number)
	}
	want := []uint64{4, 142, 141, 140, 3, 132, 131, 130, 2, 122, 121, 120, 1, 112, 111, 110, 0, 102, 101, 100}
	if !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}
