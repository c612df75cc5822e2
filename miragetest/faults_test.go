package miragetest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/miragetest"
)

func TestCut(t *testing.T) {
	for _, how := range endings {
		t.Run(how.String(), func(t *testing.T) {
			n := newNetwork(t)
			client, server := n.connect(t)
			mustWrite(t, server, "passed")
			mustRead(t, client, "passed")
			if got := n.Cut(how); got != 1 {
				t.Errorf("cut %d connections, want 1", got)
			}
			mustEnd(t, client, how)
			mustEnd(t, server, how)
			if got := n.Cut(how); got != 0 {
				t.Errorf("cut %d connections again", got)
			}
			client.Close()
			server.Close()
			until(t, "the connection is forgotten", func() bool { return n.Stats().Open == 0 })

			client, server = n.connect(t) // new ones pass
			mustWrite(t, client, "again")
			mustRead(t, server, "again")
		})
	}
}

// No RST follows a FIN, even if the peers have sent bytes that the proxy has not passed
// on.
func TestCutWithBytesOnTheirWay(t *testing.T) {
	n := newNetwork(t)
	client, server := n.connect(t)
	n.Bandwidth(1)
	mustWrite(t, client, strings.Repeat("u", 100<<10))
	mustWrite(t, server, strings.Repeat("d", 100<<10))
	n.Cut(miragetest.FIN)
	mustEnd(t, client, miragetest.FIN)
	mustEnd(t, server, miragetest.FIN)
}

// Exactly n bytes pass, at every offset, in both directions; it happens once.
func TestCutAfter(t *testing.T) {
	const text = "0123456789"
	for _, how := range endings {
		for offset := range len(text) + 1 {
			for _, dir := range []miragetest.Direction{miragetest.Up, miragetest.Down} {
				t.Run(fmt.Sprintf("%v/%d/%v", how, offset, dir), func(t *testing.T) {
					n := newNetwork(t)
					n.CutAfter(dir, 999, how) // is replaced
					n.CutAfter(dir, offset, how)
					from, to := n.connect(t)
					if dir == miragetest.Down {
						from, to = to, from
					}
					mustWrite(t, to, "the other direction does not count")
					mustRead(t, from, "the other direction does not count")
					mustWrite(t, from, text[:5])
					if offset > 5 {
						mustRead(t, to, text[:5])
						mustWrite(t, from, text[5:])
						mustRead(t, to, text[5:offset])
					} else {
						mustRead(t, to, text[:offset])
					}
					if left := mustEnd(t, to, how); len(left) > 0 {
						t.Errorf("%q passed after the cut", left)
					}
					mustEnd(t, from, how)

					from, to = n.connect(t)
					mustWrite(t, from, text)
					mustRead(t, to, text)
				})
			}
		}
	}
}

// CutAfter counts over all connections and ends the one that carries the last byte.
func TestCutAfterCountsTogether(t *testing.T) {
	n := newNetwork(t)
	client1, server1 := n.connect(t)
	n.CutAfter(miragetest.Up, 6, miragetest.FIN)
	client2, server2 := n.connect(t)
	mustWrite(t, client1, "abc")
	mustRead(t, server1, "abc")
	mustWrite(t, client2, "defg")
	mustRead(t, server2, "def")
	mustEnd(t, server2, miragetest.FIN)
	mustWrite(t, client1, "hij")
	mustRead(t, server1, "hij")
}

// If two rules apply to the same byte, it uses up both.
func TestCutAfterAndEach(t *testing.T) {
	n := newNetwork(t)
	n.CutEach(miragetest.Up, 3, miragetest.FIN)
	n.CutAfter(miragetest.Up, 3, miragetest.FIN)
	for range 2 {
		client, server := n.connect(t)
		mustWrite(t, client, "abcdef")
		mustRead(t, server, "abc")
		mustEnd(t, server, miragetest.FIN)
	}
}

func TestCutEach(t *testing.T) {
	n := newNetwork(t)
	client0, server0 := n.connect(t)
	n.CutEach(miragetest.Down, 3, miragetest.FIN)
	for range 3 {
		client, server := n.connect(t)
		mustWrite(t, server, "abcdef")
		mustRead(t, client, "abc")
		mustEnd(t, client, miragetest.FIN)
	}
	mustWrite(t, server0, "abcdef") // is older than the rule
	mustRead(t, client0, "abcdef")

	client, server := n.connect(t)
	n.Heal()
	mustWrite(t, server, "abcdef")
	mustRead(t, client, "abcdef")
}

func TestRefuse(t *testing.T) {
	n := newNetwork(t)
	client, server := n.connect(t)
	n.Refuse()
	n.mustRefuse(t)
	mustWrite(t, client, "old ones stay")
	mustRead(t, server, "old ones stay")
	n.Heal()
	n.connect(t)
	if got := n.Stats(); got.Refused != 1 || got.Connections != 2 {
		t.Errorf("stats %+v", got)
	}
}
