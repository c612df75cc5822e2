package redis_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The model's random runs are fewer here than in memory unless the caller says how many,
// because each makes its own stores.
func TestMain(m *testing.M) {
	if addr := os.Getenv(asNode); addr != "" {
		otherProcess(addr)
	}
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "rapid.checks" })
	if !set {
		flag.Set("rapid.checks", "15")
	}
	goleak.VerifyTestMain(m,
		// It sleeps for five seconds after Close.
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"))
}
