package main

import (
	"fmt"
	"strings"
)

// costs are what Redis has spent on scripts since it was started.
type costs struct {
	addr        string
	calls, usec float64
}

func startCosts(addr string) costs {
	c := costs{addr: addr}
	for line := range strings.Lines(ask(addr, "INFO", "commandstats")) {
		var calls, usec float64
		if n, _ := fmt.Sscanf(line, "cmdstat_evalsha:calls=%f,usec=%f", &calls, &usec); n == 2 {
			c.calls, c.usec = calls, usec
		}
	}
	return c
}

// perMessage adds what was spent since then to the results, divided by the messages.
func (c costs) perMessage(out map[string]float64, what string, messages float64) {
	now := startCosts(c.addr)
	out[what+": scripts a message"] = (now.calls - c.calls) / messages
	out[what+": script µs a message"] = (now.usec - c.usec) / messages
	out[what+": script µs a call"] = (now.usec - c.usec) / (now.calls - c.calls)
}
