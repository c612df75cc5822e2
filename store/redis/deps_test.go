package redis_test

import (
	"os/exec"
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

// No other package of the project brings Redis into a binary.
func TestNobodyElseNeedsRedis(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}",
		"../../session", "../../cookie", "../../middleware", "../../transport/...", "../../miragetest", "../../store/storetest").Output()
	if err != nil {
		t.Fatal(err)
	}
	for p := range strings.FieldsSeq(string(out)) {
		if strings.Contains(p, "redis") || strings.Contains(p, "rueidis") {
			t.Errorf("%s is needed without store/redis", p)
		}
	}
}
