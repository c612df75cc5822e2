package e2e

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Tests of pages mostly wait, so more of them run at once than there are processors.
func TestMain(m *testing.M) {
	if dir := os.Getenv(restartDir); dir != "" {
		if err := serveRestarts(dir, os.Getenv(restartAddr)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		_ = flag.Set("test.parallel", "8")
	}
	code := m.Run()
	endBrowser()
	endDisplay()
	os.Exit(code)
}
