package storetest

import (
	"fmt"
	"strings"
)

// enter enters, and returns the key.
func (t *topic) enter(id string, n uint64, info string) string {
	t.e.Helper()
	var b []byte
	if info != "" {
		b = []byte(info)
	}
	key, err := t.Enter(ctx, id, n, b)
	t.e.is("Enter", err, nil)
	if key == "" {
		t.e.Fatal("Enter returned no key")
	}
	return key
}

func (t *topic) exit(id string, n uint64) {
	t.e.Helper()
	t.e.is("Exit", t.Exit(ctx, id, n), nil)
}

// has fails the test unless these are the members, each as "id info".
func (t *topic) has(want ...string) {
	t.e.Helper()
	all, err := t.Members(ctx)
	t.e.is("Members", err, nil)
	var got []string
	keys := make(map[string]bool)
	for _, m := range all {
		got = append(got, strings.TrimSpace(m.ID+" "+string(m.Info)))
		if m.Key == "" || keys[m.Key] {
			t.e.Fatalf("the key %q of %s is empty, or another's", m.Key, m.ID)
		}
		if m.Info != nil && len(m.Info) == 0 {
			t.e.Fatalf("the info of %s is empty, not nil", m.ID)
		}
		keys[m.Key] = true
	}
	equal(t.e, "members", strings.Join(got, ", "), strings.Join(want, ", "))
}

var present = []clause{
	{"T8 members are in the order in which they came", func(e *env) {
		a := e.topic("a")
		a.has()
		a.enter("z", 1, "")
		a.enter("m", 1, `{"n":1}`)
		a.enter("a", 1, "")
		a.has("z", `m {"n":1}`, "a")
		a.exit("z", 1)
		a.enter("z", 1, "")
		a.has(`m {"n":1}`, "a", "z")
	}},
	{"T8 a member is present while it has an entrance", func(e *env) {
		a := e.topic("a")
		a.enter("s", 1, "1")
		a.enter("s", 2, "2")
		a.enter("s", 2, "3")
		a.has("s 3")
		a.exit("s", 7)
		a.exit("other", 1)
		a.exit("s", 1)
		a.exit("s", 1)
		a.has("s 3")
		a.exit("s", 2)
		a.has()
		a.exit("s", 2)
		a.enter("s", 1, "")
		a.has("s")
	}},
	{"T8 the info is that of the last Enter", func(e *env) {
		a := e.topic("a")
		a.enter("s", 1, "1")
		a.enter("s", 2, "2")
		a.has("s 2")
		a.enter("s", 1, "")
		a.has("s")
		a.exit("s", 2)
		a.has("s")
	}},
	{"T8 a key names a member in one topic, and does not tell the id", func(e *env) {
		a, b := e.topic("a"), e.topic("b")
		key := a.enter("secret", 1, "")
		equal(e, "the key of another entrance", a.enter("secret", 2, "x"), key)
		all, err := a.Members(ctx)
		e.is("Members", err, nil)
		equal(e, "the key among the members", all[0].Key, key)
		if other := a.enter("other", 1, ""); other == key {
			e.Error("two members have one key")
		}
		if b.enter("secret", 1, "") == key {
			e.Error("the member has the same key in another topic")
		}
		// Who knows or guesses an id must not be able to compute its key.
		if elsewhere := topicOf(e, e.open(e.T), "a"); elsewhere.enter("secret", 1, "") == key {
			e.Error("the member has the same key in another store")
		}
		if strings.Contains(key, "secret") || len(key) > 64 {
			e.Errorf("the key is %q", key)
		}
	}},
	{"T12 presence ends with the epoch", func(e *env) {
		a := e.topic("a")
		a.enter("s", 1, "")
		a.end()
		a.has()
		a.exit("s", 1)
		a.publish("x")
		a.has()
		a.enter("s", 2, "")
		a.has("s")
	}},
	{"T8 members stay although nothing else happens", func(e *env) {
		a := e.topic("a", aging(e.brief()))
		a.enter("s", 1, "")
		p := a.position()
		e.pass(3*e.brief(), e.expire)
		a.has("s")
		equal(e, "epoch", a.position().Epoch, p.Epoch)
	}},
	{"T8 members do not take the room of messages", func(e *env) {
		a := e.topic("a", retaining(1))
		a.publish("1")
		for i := range 50 {
			a.enter(fmt.Sprint("s", i), 1, "")
		}
		a.start().reads("1:1")
		equal(e, "the last number", a.position().Seq, 1)
	}},
}
