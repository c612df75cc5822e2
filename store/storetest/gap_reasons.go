package storetest

import (
	"fmt"

	"github.com/mirage-go/mirage/store"
)

// why reads, and fails the test if what came is not want, or has another reason than
// reason.
func (k *link) why(want string, reason store.Missing) {
	k.log.e.Helper()
	k.reads(want)
	equal(k.log.e, "the reason of the gap", k.tail.GapReason, reason)
}

var gapReasons = []clause{
	{"O1 without a gap there is no reason for one", func(e *env) {
		l := e.openLog("a", messages(3))
		k := l.attach("r")
		l.add("1")
		k.why("1:1", "")
	}},
	{"O1 a gap of a reader that was away says that messages had to leave", func(e *env) {
		l := e.openLog("a", messages(3))
		away, here := l.attach("away"), l.attach("here")
		away.detach()
		l.add("1", "2", "3")
		here.read()
		here.ack()
		l.add("4")
		l.attach("away").why("gap 1-1 2:2 3:3 4:4", store.MissingTrimmed)
	}},
	{"O1 a gap of a reader that stalled says so", func(e *env) {
		l := e.openLog("a", messages(3), stallAfter(e.brief()))
		hangs, live := l.attach("hangs"), l.attach("live")
		l.add("1", "2", "3")
		live.read()
		live.ack()
		e.pass(2*e.brief(), func() { live.read() })
		l.add("4")
		hangs.why("gap 1-1 2:2 3:3 4:4", store.MissingStalled)

		// The next loss of the log has another reason.
		hangs.detach()
		live.read()
		live.ack()
		l.add("5")
		l.attach("hangs").why("gap 1-2 3:3 4:4 5:5", store.MissingTrimmed)
	}},
	{"O1 a gap by OverflowDropOldest says so", func(e *env) {
		for _, key := range []string{"", "k"} {
			if key != "" && e.without.Keys {
				continue
			}
			l := e.openLog("a"+key, messages(3), dropOldest)
			k := l.attach("r")
			if key != "" {
				l.addKey(key, "1")
			} else {
				l.add("1")
			}
			l.add("2", "3")
			l.add("4", "5")
			k.why("gap 1-2 3:3 4:4 5:5", store.MissingOverflow)
		}
	}},
	{"O1 a log that drops what everybody has passed says that it had to leave", func(e *env) {
		l := e.openLog("a", messages(3), dropOldest)
		k := l.attach("r")
		l.add("1", "2", "3")
		k.read()
		p := k.last
		k.ack()
		l.add("4", "5", "6")
		l.resume("late", e.at(p, 1)).says("trimmed at 1, lost 2-3").why("gap 2-3 4:4 5:5 6:6", store.MissingTrimmed)
	}},
	{"O1 the reason of a gap is that of the entries in it", func(e *env) {
		l := e.openLog("a", messages(3), dropOldest)
		k := l.attach("r")
		p := l.add("1", "2", "3", "4", "5") // 1 and 2 leave
		k.why("gap 1-2 3:3 4:4 5:5", store.MissingOverflow)
		k.ack()
		l.add("6", "7", "8")
		k.read()
		k.ack()
		for i, want := range []store.Missing{store.MissingOverflow, store.MissingOverflow, store.MissingTrimmed} {
			late := l.resume(fmt.Sprint("late", i), e.at(p, uint64(i)))
			late.read()
			equal(e, fmt.Sprintf("the reason of a gap after %d", i), late.tail.GapReason, want)
		}
	}},
}
