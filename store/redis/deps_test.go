package redis_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/store/redis"
)

func TestWarnings(t *testing.T) {
	tests := []struct {
		name, info string
		want       int
	}{
		{"as it should be", "maxmemory_policy:noeviction\r\naof_enabled:1\r\n", 0},
		{"evicting", "maxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n", 1},
		{"forgetful", "maxmemory_policy:noeviction\r\naof_enabled:0\r\n", 1},
		{"both", "maxmemory_policy:volatile-ttl\r\naof_enabled:0\r\n", 2},
		{"a server that does not say", "redis_version:7\r\n", 0},
	}
	for _, tt := range tests {
		if got := redis.Warnings(tt.info); len(got) != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

// Redis and r3labs/sse are linked only by programs that import the package for them: no
// other package of the module has them among its dependencies.
func TestOptionalDependencies(t *testing.T) {
	const module = "github.com/mirage-go/mirage/"
	users := map[string][]string{
		"go-chi": {
			module + "example/chat", module + "example/hello", module + "example/id", module + "example/rooms",
			module + "example/tokens", module + "example/users", module + "example/worker",
		},
		"redis": {
			module + "example/rooms", module + "example/tokens", module + "example/worker", module + "store/redis",
		},
		"r3labs": {module + "transport/sse/r3labs"},
	}

	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./...")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}

	got := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		pkg, deps, _ := strings.Cut(strings.TrimSpace(line), " ")
		for dependency := range users {
			if strings.Contains(deps, dependency) {
				got[dependency] = append(got[dependency], pkg)
			}
		}
	}
	for dependency, want := range users {
		if !slices.Equal(got[dependency], want) {
			t.Errorf("%s is linked by %q, want %q", dependency, got[dependency], want)
		}
	}
}
