package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/miragetest"
)

// In workers, which have no storage and no page events, everything arrives once and in
// order, too. A shared worker delivers to all its pages.
func TestClientWorker(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for _, kind := range []string{"dedicated", "shared"} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(t *testing.T, transport string) {
				s := startSite(t, setup{})
				url := strings.Replace(s.address("", only(transport)), "/?", "/worker.html?worker="+kind+"&", 1)
				b := openTab(t, browser, kind+" "+transport, url)
				b.opened()
				if kind == "shared" {
					other := openTab(t, b.ctx, "another page of "+b.name, url, sameBrowser)
					other.opened()
				}

				s.push(10 * time.Millisecond)
				b.do(`talk(10)`)
				for i := range 4 {
					b.traffic(30)
					s.proxy.Cut([]miragetest.Ending{miragetest.RST, miragetest.FIN}[i%2])
				}
				b.traffic(30)
				b.told(true)
				s.settled(b)
				s.referred()
			})
		})
	}
}
