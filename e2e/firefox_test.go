package e2e

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// quiet are the preferences of a profile that asks, fetches and shows nothing at startup.
const quiet = `
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
`

// startFirefox shows a page in a Firefox without automation, until the test ends.
// preferences are added to quiet.
func startFirefox(t *testing.T, preferences, page string) {
	t.Helper()
	path, err := exec.LookPath("firefox-esr")
	if name := os.Getenv("FIREFOX"); name != "" {
		path, err = name, nil
	}
	if err != nil {
		absent(t, "no Firefox: apt-get install firefox-esr, or set FIREFOX to its path")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(quiet+preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	firefox := exec.CommandContext(t.Context(), path, "--headless", "--no-remote", "--profile", dir, page)
	firefox.Env = append(os.Environ(), "HOME="+dir, "MOZ_CRASHREPORTER_DISABLE=1")
	firefox.WaitDelay = 5 * time.Second
	if err := firefox.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- firefox.Wait() }()
	t.Cleanup(func() {
		_ = firefox.Process.Kill()
		<-ended
	})
}

// Firefox, without automation: on each transport a hundred messages both ways, with a
// reload in between.
func TestFirefox(t *testing.T) {
	t.Parallel()
	var sites []*site
	next := ""
	for _, transport := range slices.Backward(transports) {
		s := startSite(t, setup{})
		page := strings.Replace(s.address("", only(transport)), "/?", "/smoke.html?", 1)
		next = page + "&" + url.Values{"next": {next}}.Encode()
		sites = append([]*site{s}, sites...)
	}

	began := time.Now()
	startFirefox(t, "", next)

	for i, transport := range transports {
		s := sites[i]
		s.within(60*time.Second, "a session of Firefox on "+transport, s.began)
		s.push(10 * time.Millisecond)

		var r report
		select {
		case r = <-s.reports:
		case <-time.After(30 * time.Second):
			t.Fatalf("no report from Firefox on %s", transport)
		}

		s.hush()
		if r.Transport != transport || len(r.Got) != 1 || r.Got[0][0] != 1 {
			t.Errorf("%s: %v came down by %q", transport, r.Got, r.Transport)
		}
		if up := *s.up[""]; !slices.Equal(up, upTo(r.Sent[""])) {
			t.Errorf("%s: %v came up, %v were sent", transport, up, r.Sent)
		}
		// Firefox closes sockets before it tells the page that it is being left.
		told := slices.DeleteFunc(slices.Clone(r.Events), func(e string) bool {
			return e == "state reconnecting" || strings.HasPrefix(e, "error ")
		})
		want := "load,state open,open,mirage new," +
			"load,state open,open,mirage resumed,state closing,state closed,close 1000 "
		if strings.Join(told, ",") != want {
			t.Errorf("%s: the application was told %q", transport, r.Events)
		}
		if len(s.opened) != 1 {
			t.Errorf("%s: the sessions %q", transport, s.opened)
		}

		s.until("no link", func() bool { return len(s.links.names()) == 0 })
		s.referred()
		took := time.Since(began).Round(100 * time.Millisecond)
		t.Logf("%s: %v down, %v up, %v after the start", transport, r.Got, r.Sent, took)
	}
}

// L1, I5: Firefox reports the end of a WebSocket as clean, whether its client is to come
// back or not.
func TestFirefoxFarewell(t *testing.T) {
	t.Parallel()
	s := startSite(t, setup{})
	startFirefox(t, "", s.proxy.URL()+"/farewell.html")
	came := func(name string) func() bool {
		return func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.up[name] != nil
		}
	}

	s.within(60*time.Second, "the first WebSocket", came("1"))
	id := s.id()
	if err := s.manager().Revalidate(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.within(30*time.Second, "the second WebSocket", came("2"))
	if err := s.manager().Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}

	select {
	case r := <-s.reports:
		// The last one is closed by the middleware, which waits for a second, as
		// internal/refuse tests. On a busy machine that may not be enough.
		want := []string{"1012 come back true", "4410 the id was revoked true", "4410 the id was revoked"}
		if len(r.Events) != 3 || !slices.Equal(r.Events[:2], want[:2]) || !strings.HasPrefix(r.Events[2], want[2]) {
			t.Errorf("closed with %q, want %q", r.Events, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no report")
	}
}
