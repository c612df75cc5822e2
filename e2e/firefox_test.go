package e2e

import (
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
	dir := scratch(t)
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(quiet+preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	firefox := exec.CommandContext(t.Context(), path, "--headless", "--no-remote", "--profile", dir, page)
	firefox.Env = append(os.Environ(), "HOME="+dir, "MOZ_CRASHREPORTER_DISABLE=1")
	startProgram(t, firefox)
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

	s.within(3*time.Minute, "the first WebSocket", came("1"))
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
