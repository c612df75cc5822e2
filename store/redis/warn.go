package redis

import (
	"context"
	"strings"
	"time"
)

func checkOptions(o Options) {
	if strings.ContainsAny(o.Prefix, "{}") {
		panic("redis: Options: Prefix cannot contain braces: it is part of the hash tag of a Cluster")
	}
	if o.Timeout < 0 || o.SafetyRead < 0 || o.Lease < time.Second {
		panic("redis: Options: Timeout and SafetyRead cannot be negative, and Lease cannot be less than a second; " +
			"leave them zero for the default")
	}
}

// warn logs settings of Redis, or of any server of a Cluster, that may lose sessions.
func (s *Store) warn(ctx context.Context) {
	said := make(map[string]bool)
	for addr, server := range s.client.Nodes() {
		info, err := server.Do(ctx, server.B().Info().Build()).ToString()
		if err != nil {
			s.o.Logger.Warn("redis: cannot ask for the configuration", "server", addr, "error", err)
			continue
		}
		for _, w := range warnings(info) {
			if !said[w] {
				said[w] = true
				s.o.Logger.Warn(w, "server", addr)
			}
		}
	}
}

// fieldsOf returns the fields of an answer to INFO.
func fieldsOf(info string) map[string]string {
	has := make(map[string]string)
	for line := range strings.Lines(info) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), ":")
		has[k] = v
	}
	return has
}

func warnings(info string) (all []string) {
	has := fieldsOf(info)
	if p := has["maxmemory_policy"]; p != "" && p != "noeviction" {
		all = append(all, "redis: maxmemory-policy is "+p+
			", so Redis may evict messages and sessions; set it to noeviction")
	}
	if has["aof_enabled"] == "0" {
		all = append(all, "redis: appendonly is off, so sessions do not outlive Redis; "+
			"set it to yes, with appendfsync everysec or always")
	}
	return all
}
