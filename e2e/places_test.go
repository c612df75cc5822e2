package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/miragetest"
)

// Where a page's address is not what fetch takes relative ones from, and where scripts are trusted by their nonce alone, a client does what it does
// elsewhere: cut and reloaded it goes on with one identity.
func TestClientPlaces(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for _, row := range []struct{ name, page string }{
		{"base", "/deep/base.html?url=live&"},
		{"srcdoc", "/srcdoc.html?url=live&"},
		{"nonce", "/nonce.html?"},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, transport string) {
				s := startSite(t, setup{})
				b := openTab(t, browser, row.name+" on "+transport, strings.Replace(s.address("", only(transport)), "/?", row.page, 1))
				for load := 1; load <= 2; load++ {
					if load > 1 {
						b.must(chromedp.Do(b.ctx, chromedp.Reload()))
					}
					b.wait("the page", fmt.Sprintf(`record.events.filter(e => e === 'load').length === %d`, load))
					b.opened()
					if load == 1 {
						s.push(10 * time.Millisecond)
					}
					b.do(`talk(10)`)
					b.traffic(20)
					s.proxy.Cut(miragetest.RST)
					b.traffic(20)
				}
				b.told(true)
				s.settled(b)
			})
		})
	}
}
