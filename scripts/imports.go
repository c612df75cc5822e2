//go:build ignore

// imports.go prints the imports of this module that do not lead downwards, and fails if
// there are any (clause H4). It reads the output of go list:
//
//	go list -f '{{.ImportPath}} {{join .Imports " "}}' ./... | go run scripts/imports.go
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

const module = "github.com/mirage-go/mirage"

// floors are the layers of the module, the highest first. A package imports only packages
// from lower floors. Packages on the same floor, such as two transports, or middleware
// and session, do not import each other.
var floors = [][]string{
	{
		"conformance", "conformance/goclient", "docs", "example/chat", "example/hello", "example/id",
		"example/nodes", "example/rooms", "example/tokens", "example/users", "example/worker",
		"store/disk/check",
	},
	{"inspect"},
	{"mirage"},
	{"transport"},
	{"transport/poll", "transport/sse", "transport/sse/r3labs", "transport/websocket"},
	{"internal/downstream", "internal/upstream"},
	{"internal/admission"},
	{"internal/answer", "miragetest", "store/storetest"},
	{"client", "middleware", "session", "store/disk"},
	{"cookie", "internal/frame", "internal/refuse", "store/memory", "store/redis"},
	{"internal/journal/faultfs", "internal/topiclog", "internal/topicmodel"},
	{
		"client/js", "internal/buffers", "internal/cid", "internal/duration", "internal/journal",
		"internal/limitlog", "internal/response",
		"internal/wiring", "internal/writers", "store",
	},
	{"internal/needs", "internal/test"},
}

func main() {
	floor := map[string]int{}
	for i, packages := range floors {
		for _, p := range packages {
			floor[p] = i
		}
	}

	failed := false
	complain := func(format string, args ...any) {
		fmt.Printf(format+"\n", args...)
		failed = true
	}

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		from := name(fields[0])
		at, ok := floor[from]
		if !ok {
			complain("%s is on no floor: add it in scripts/imports.go", from)
			continue
		}

		for _, path := range fields[1:] {
			if !strings.HasPrefix(path, module) {
				continue
			}
			if to := name(path); floor[to] <= at {
				complain("%s imports %s, which is not below it: see scripts/imports.go", from, to)
			}
		}
	}

	if failed {
		os.Exit(1)
	}
}

// name returns the package's directory, as floors has it.
func name(path string) string {
	dir := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
	switch {
	case dir == "":
		return "mirage"
	case strings.HasPrefix(dir, "internal/test/"):
		return "internal/test"
	case strings.HasPrefix(dir, "client/js/"):
		return "client/js"
	}
	return dir
}
