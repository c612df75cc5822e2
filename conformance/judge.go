package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// until waits until the events of the client satisfy done. what says what they lack.
func (w *world) until(done func([]event) bool, what func() string) {
	end := time.After(w.patience)
	for {
		events, changed := w.client.look()
		checkAlive(events)
		if done(events) {
			return
		}
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond): // what the server knows may have changed
		case <-w.ctx.Done():
			fail("interrupted")
		case <-end:
			fail("waited %v in vain: %s", w.patience, what())
		}
	}
}

// checkAlive fails if the client has ended or complains.
func checkAlive(events []event) {
	for _, e := range events {
		switch e.Event {
		case "error":
			fail("the client says: %s", e.Text)
		case "end":
			fail("the client has ended")
		}
	}
}

// last returns the last event of a kind.
func last(events []event, kind string) (e event) {
	for i := range events {
		if events[i].Event == kind {
			e = events[i]
		}
	}
	return e
}

func (w *world) awaitState(state string) {
	var now event
	w.until(func(events []event) bool {
		now = last(events, "state")
		return now.State == state
	}, func() string { return fmt.Sprintf("the client is %q, and must become %q", now.State, state) })
}

// mustHaveAll waits until each message that was sent has come or was told to be lost, and
// checks that none comes twice or too early.
func (w *world) mustHaveAll() {
	missing := ""
	w.until(func(events []event) bool {
		missing = w.judge(events)
		return missing == ""
	}, func() string { return missing })
	w.wait(300 * time.Millisecond) // for what comes once too often
	events, _ := w.client.look()
	if missing := w.judge(events); missing != "" {
		fail("%s", missing)
	}
}

// judge returns what is missing. It fails if a message came twice or in the wrong order.
func (w *world) judge(events []event) (missing string) {
	w.mu.Lock()
	all := w.sent
	w.mu.Unlock()
	place := map[string]int{}
	for i, s := range all {
		place[s.text] = i
	}

	came, lost, newest := map[int]bool{}, map[int]bool{}, -1
	for _, e := range events {
		switch {
		case e.Topic != "":
		case e.Event == "gap":
			for i, s := range all {
				if s.seq >= e.From && (e.To == 0 || s.seq <= e.To) && !came[i] && i > newest {
					lost[i] = true
				}
			}
		case e.Event == "message":
			i, known := place[e.Data]
			switch {
			case !known && isCut(all, e.Data):
				fail("the client has delivered %d bytes, %.40q…, of a longer message: only whole blocks count",
					len(e.Data), e.Data)
			case !known:
				fail("the client has delivered %.60q, which was never sent to its session", e.Data)
			case came[i] && e.Again:
				continue
			case came[i]:
				fail("message %.20q was delivered twice: drop numbers that you already have", e.Data)
			case i < newest:
				fail("message %.20q was delivered after %.20q", e.Data, all[newest].text)
			}
			came[i], newest = true, i
		}
	}

	for i, s := range all {
		if !came[i] && !lost[i] {
			if i < newest {
				return fmt.Sprintf("message %.20q is missing, and no gap tells of it", s.text)
			}
			return fmt.Sprintf("message %.20q has not come, and no gap tells of it: %d of %d have come",
				s.text, len(came), len(all))
		}
	}
	return ""
}

// isCut reports whether the text is the beginning of a message.
func isCut(all []sent, text string) bool {
	return slices.ContainsFunc(all, func(s sent) bool { return strings.HasPrefix(s.text, text) })
}

// mustHandle waits until the application was called with these texts, once and in order.
func (w *world) mustHandle(want ...string) {
	look := func() (got []string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, in := range w.came {
			got = append(got, in.text)
		}
		return got
	}
	compare := func() bool {
		got := look()
		for i, text := range got {
			if i >= len(want) || text != want[i] {
				fail("the server has handled %.60q as message %d of the client, instead of %.60q",
					text, i+1, want[min(i, len(want)-1)])
			}
		}
		return len(got) == len(want)
	}
	w.until(func([]event) bool { return compare() }, func() string {
		return fmt.Sprintf("the server has handled %d of %d messages of the client", len(look()), len(want))
	})
	w.wait(300 * time.Millisecond) // for what comes once too often
	compare()
}

// numbers returns the texts of the numbers first to last, with a prefix.
func numbers(prefix string, first, last int) (all []string) {
	for n := first; n <= last; n++ {
		all = append(all, prefix+strconv.Itoa(n))
	}
	return all
}

// seqOf returns the number in the text of a position.
func seqOf(position string) uint64 {
	_, seq, _ := strings.Cut(position, "-")
	seq, _, _ = strings.Cut(seq, ".")
	n, _ := strconv.ParseUint(seq, 10, 64)
	return n
}
