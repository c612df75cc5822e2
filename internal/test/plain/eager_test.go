package plain_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	r3 "github.com/r3labs/sse/v2"

	"github.com/mirage-go/mirage/internal/test/npm"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/store/memory"
)

// eager are packages that take over an id as soon as its line arrives.
var eager = []string{
	"eventsource2", // version 2 of eventsource, which many depend on
	"@sanity/eventsource",
	"@microsoft/fetch-event-source",
	"@ai-zen/node-fetch-event-source",
	"@ardatan/fetch-event-source",
	"@fortaine/fetch-event-source",
	"@waylaidwanderer/fetch-event-source",
	"event-source-polyfill", // not eager: it has a parameter of its own for the position
}

// D2, W1: clients that take over an id as soon as its line arrives get everything once
// and in order, although their connection is cut at each byte of a block in turn: the id
// is the last line. Between the two line ends that close the block no order of lines
// would help them, so that place is left out.
func TestD2EagerClientsCutAtEachByte(t *testing.T) {
	for _, name := range eager {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, memory.New(memory.Options{}))
			s.eager(name)
			s.until("a reader", func() bool { return s.attached > 0 })
			s.send(1)
			s.wantAll()
			epoch := s.epoch()
			for at, length := 1, 1; at <= length; at++ {
				length = len(fmt.Sprintf("data: <li>%d</li>\nid: %s-%[1]d\n\n", s.last+1, epoch))
				if at == length-1 {
					continue
				}
				s.proxy.CutAfter(miragetest.Down, at, miragetest.FIN)
				s.send(1)
				s.wantAll()
			}
			if n := s.requests(); n < 30 {
				t.Errorf("%d requests: the connection was not cut", n)
			}
		})
	}
}

// eager makes a package of another project read the site's URL until the test ends.
func (s *site) eager(name string) {
	dir := s.TempDir()
	if err := os.Symlink(npm.Modules(s), filepath.Join(dir, "node_modules")); err != nil {
		s.Fatal(err)
	}
	program, err := os.ReadFile("testdata/eager.cjs")
	if err != nil {
		s.Fatal(err)
	}
	file := filepath.Join(dir, "eager.cjs")
	if err := os.WriteFile(file, program, 0o644); err != nil {
		s.Fatal(err)
	}
	cmd := exec.CommandContext(s.Context(), npm.Node(s), file, name, s.proxy.URL()+"/live")
	cmd.Stderr = s.Output()
	s.run(cmd)
}

// epoch returns the epoch of the session's log.
func (s *site) epoch() string {
	s.Helper()
	answer, err := http.Get(s.direct + "/live?_wait=0")
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	hello, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	epoch := regexp.MustCompile(`(?m)^id: (.*)-`).FindSubmatch(hello)
	if epoch == nil {
		s.Fatalf("no position in %q", hello)
	}
	return string(epoch[1])
}

// D3, W1: r3labs' client takes the rest of a block that was cut for a message, with its
// id. The test cuts at each byte of the data in turn, where there is no id yet. The
// client still gets every message whole, after the piece.
func TestD3R3labsGetsCutMessagesAgain(t *testing.T) {
	s := startSite(t, memory.New(memory.Options{}))
	inProcess(s, func(ctx context.Context, url string, c *http.Client) {
		client := r3.NewClient(url)
		client.Connection, client.ReconnectStrategy = c, never{} // it must not come back after a clean end
		for ctx.Err() == nil {
			_ = client.SubscribeRawWithContext(ctx, func(e *r3.Event) {
				if len(e.Data) > 0 && len(e.Event) == 0 {
					s.hears(string(e.Data))
				}
			})
		}
	})
	s.until("a reader", func() bool { return s.attached > 0 })
	for at := range len("data: <li>10</li>\n") {
		if at > 0 {
			s.proxy.CutAfter(miragetest.Down, at, miragetest.FIN)
		}
		s.send(1)
		s.until(fmt.Sprint("message ", s.last), func() bool {
			return s.attached > at && slices.Contains(s.heard, strconv.Itoa(s.last))
		})
	}
}

type never struct{}

func (never) NextBackOff() time.Duration { return -1 }
func (never) Reset()                     {}
