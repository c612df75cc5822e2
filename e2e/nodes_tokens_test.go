package e2e

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/internal/needs"
)

// redis sends a command to the Redis of the nodes, and returns the text of the answer.
func (e *example) redis(command ...string) string {
	e.t.Helper()
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", e.children("redis-server")[0]))
	if err != nil {
		e.t.Fatal(err)
	}
	_, addr, _ := strings.Cut(string(line), " ") // "redis-server 127.0.0.1:6379"
	conn, err := net.Dial("tcp", strings.TrimRight(addr, " \x00"))
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(conn, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(word), word)
	}

	lines := bufio.NewReader(conn)
	answer, err := lines.ReadString('\n')
	if strings.HasPrefix(answer, "$") && err == nil { // its length; the text follows
		answer, err = lines.ReadString('\n')
	}
	if err != nil || strings.HasPrefix(answer, "-") {
		e.t.Fatalf("%q: %q, %v", command, answer, err)
	}
	return strings.TrimSpace(answer)
}

// answerer returns the process that answers in a conversation.
func (e *example) answerer(conversation string) int {
	e.t.Helper()
	holder := e.redis("GET", "tokens:claim:"+conversation)
	pid, _, _ := strings.Cut(holder, "-")
	n, err := strconv.Atoi(pid)
	if err != nil {
		e.t.Fatalf("the holder of the claim is %q", holder)
	}
	return n
}

// Two nodes share the conversations with the model. In the middle of an answer, the node
// that does not answer is killed, then the node that does, then their Redis, and at last
// Redis forgets the topic. The pages show the answer complete, or its beginning and why
// there is no more.
func TestNodesTokens(t *testing.T) {
	t.Parallel()
	needs.Program(t, "redis-server")
	nodes := startExample(t, "nodes", "-example", "tokens", "--", "-rate", "80")
	const question = "What is a Fata Morgana?"
	begin := func() (asker, reader *tab, conversation string) {
		t.Helper()
		asker = newConversation(t, nodes.url)
		reader = openTab(t, startBrowser(t), "bob", get[string](asker, `location.href`))
		reader.arrives("a link", `document.body.dataset.link === 'open'`)
		asker.ask(question)
		asker.written(60)
		reader.written(60)
		return asker, reader, path.Base(get[string](asker, `location.pathname`))
	}
	// same requires that both pages, and one that comes now, show the same answer.
	same := func(when, state string, asker, reader *tab) string {
		t.Helper()
		want := asker.ended(state)
		late := openTab(t, startBrowser(t), "late", get[string](asker, `location.href`))
		for _, b := range []*tab{reader, late} {
			if got := b.ended(state); got != want {
				t.Errorf("%s: %s shows %q\nthe asker shows %q", when, b.name, got, want)
			}
		}
		return want
	}

	ann, bob, conversation := begin()
	answering := nodes.answerer(conversation)
	for _, node := range nodes.children("tokens") {
		if node != answering {
			nodes.kill(node)
		}
	}
	ann.must(chromedp.Do(ann.ctx, chromedp.Reload()))
	whole := same("without the other node", "done", ann, bob)
	if !strings.HasSuffix(whole, "the sentence goes on where it was.") {
		t.Errorf("without the other node the answer is %q", whole)
	}
	nodes.complete()

	ann, bob, conversation = begin()
	before := get[string](bob, lastAnswer)
	nodes.kill(nodes.answerer(conversation))
	half := same("without the node that answered", "interrupted", ann, bob)
	if !strings.HasPrefix(half, before) || !strings.HasPrefix(whole, half) || half == whole {
		t.Errorf("of %q there is %q, after %q", whole, half, before)
	}
	ann.looks("tokens-nodes")
	nodes.complete()
	ann.ask("And then?")
	bob.until("the second turn", `document.querySelectorAll('.turn').length === 2`)
	bob.written(30)
	bob.click("stop") // on whatever node
	stopped := same("with all nodes again", "stopped", ann, bob)

	// A node that dies after it stored the end, and before the pages are told: they get
	// what the store has, even if more was stored than was streamed.
	nodes.redis("EVAL", `local turns = 'tokens:turns:' .. ARGV[1]
		local turn = cjson.decode(redis.call('HGET', turns, ARGV[2]))
		turn.answer = turn.answer .. ' And more.'
		redis.call('HSET', turns, ARGV[2], cjson.encode(turn))
		return redis.call('SADD', 'tokens:claimed', ARGV[1])`, "0", conversation,
		get[string](ann, `[...document.querySelectorAll('.turn')].at(-1).dataset.id`))
	for _, b := range []*tab{ann, bob} {
		b.arrives("what the store has", fmt.Sprintf(`(%s) === %q`, lastAnswer, stopped+" And more."))
	}

	ann, bob, _ = begin()
	nodes.kill(nodes.children("redis-server")[0])
	ann.arrives("the end", ended)
	state := get[string](ann, lastState)
	got := same("after the end of Redis", state, ann, bob)
	if got != whole && (state == "done" || !strings.HasPrefix(whole, got)) {
		t.Errorf("after the end of Redis it is %s: %q, want %q", state, got, whole)
	}
	nodes.complete()

	// What a failover of Redis may do: it forgets messages.
	ann, bob, conversation = begin()
	forgotten := nodes.redis("EVAL", `local n = 0
		for _, key in ipairs(redis.call('KEYS', '*:t:*conversation:' .. ARGV[1])) do n = n + redis.call('DEL', key) end
		return n`, "0", conversation)
	if forgotten == ":0" {
		t.Error("the topic has no keys")
	}
	if got := same("without the topic", "failed", ann, bob); len(got) < 60 || !strings.HasPrefix(whole, got) {
		t.Errorf("without the topic there is %q, want the beginning of %q", got, whole)
	}
	nodes.stop()
}

const (
	lastState = `[...document.querySelectorAll('.turn')].at(-1)?.dataset.state ?? ''`
	ended     = `['done', 'stopped', 'failed', 'interrupted'].includes(` + lastState + `)`
)
