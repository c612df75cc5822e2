package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/miragetest"
)

// contentCases check that each payload arrives whole, however the bytes of it come.
var contentCases = []testCase{
	{name: "texts", clause: "W4", o: brisk, run: func(w *world) {
		w.connect()
		texts := []string{
			"two\nlines", "ends with a line\n", "\n\n", " a space first", ": a colon first", "data: id: 7",
			"carriage\rreturn", "both\r\nends", "a NUL \x00 inside", "\ufeffa BOM", "\u2028 and \u00e9\U0001f30d", "",
		}
		w.send(texts...)
		w.mustHaveAll()
		w.say(texts...)
		w.mustHandle(texts...)
	}},

	{name: "bytes", clause: "W4", needs: featureBinary, o: brisk, run: func(w *world) {
		w.connect()
		data := []byte{0, 255, '\r', '\n', 128, 7}
		text := base64.StdEncoding.EncodeToString(data)
		w.sendMessage(mirage.Message{Data: data, Binary: true})
		w.until(func(events []event) bool {
			got := last(events, "message").Base64
			return got != nil && *got == text
		}, func() string { return "a message of bytes has not come as bytes" })
		w.client.do(command{Do: "send", Base64: &text})
		w.mustHandle(string(data))
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.came[0].binary {
			fail("the client sends bytes, and the server takes them for text: type: binary is missing")
		}
	}},

	// Whole blocks alone count: the cut is somewhere in a message of many lines.
	{name: "cut in a message", long: true, clause: "W1", o: brisk, run: func(w *world) {
		w.connect()
		for _, text := range long(4, 40_000) {
			w.net.CutAfter(miragetest.Down, 2000+w.random.IntN(35_000), miragetest.FIN)
			w.send(text)
			w.mustHaveAll()
		}
	}},

	{name: "large messages", clause: "W4", o: brisk, run: func(w *world) {
		w.connect()
		texts := long(3, 64<<10)
		w.send(texts...)
		w.say(texts...)
		w.mustHaveAll()
		w.mustHandle(texts...)
	}},

	{name: "byte by byte", clause: "W1", o: brisk, run: func(w *world) {
		address := w.trickle()
		w.client.do(command{Do: "connect", URL: "http://" + address + "/live", Transports: []string{w.transport}})
		w.awaitState("open")
		w.send("é", "two\nlines")
		w.say("up")
		w.mustHaveAll()
		w.mustHandle("up")
	}},

	// Nothing but heartbeats: the client stays on its link.
	{name: "heartbeats", long: true, clause: "L1", o: mirage.Options{
		Heartbeat: 500 * time.Millisecond,
	}, run: func(w *world) {
		w.connect()
		w.wait(8 * time.Second)
		if n := len(w.gate.which((*request).opens)); n != 1 {
			fail("the client has opened %d links in 8s, although the server's heartbeats came", n)
		}
		w.send("1")
		w.mustHaveAll()
	}},
}

// trickle listens in front of the network, and passes what comes down byte by byte. It
// returns its address.
func (w *world) trickle() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail("the network: %v", err)
	}
	w.host.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", w.net.Addr())
			if err != nil {
				client.Close()
				continue
			}
			go pass(server, client, 32<<10)
			go pass(client, server, 1)
		}
	}()
	return listener.Addr().String()
}

// pass copies in pieces of at most so many bytes, and closes both ends.
func pass(to, from net.Conn, most int) {
	defer to.Close()
	defer from.Close()
	_, _ = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, most))
}

// topicCases need a client that joins topics.
var topicCases = []testCase{
	{name: "topic", clause: "T3", needs: featureTopics, o: withTopics(), run: func(w *world) {
		w.connect()
		topic := w.live.Load().Topic("news")
		w.publish(topic, numbers("", 1, 20)...)
		w.client.do(command{Do: "join", Topic: "news", From: "start"})
		w.awaitEvent("joined")
		for i := 21; i <= 120; i++ {
			w.publish(topic, fmt.Sprint(i))
			if i%20 == 0 {
				w.net.CutAfter(miragetest.Down, w.random.IntN(1000), miragetest.Ending(w.random.IntN(2)))
			}
			w.pause(20 * time.Millisecond)
		}
		w.net.Heal()
		w.inTopic(numbers("", 1, 120)...)
		w.client.do(command{Do: "leave", Topic: "news"})
		w.wait(time.Second)
		w.publish(topic, "after")
		w.wait(time.Second)
		w.inTopic(numbers("", 1, 120)...)
	}},

	{name: "loss in a topic", clause: "T5", needs: featureTopics, o: withTopics(), run: func(w *world) {
		w.connect()
		topic := w.live.Load().Topic("short")
		w.client.do(command{Do: "join", Topic: "short"})
		w.awaitEvent("joined")
		w.publish(topic, "first")
		w.inTopic("first")
		w.away()
		w.publish(topic, numbers("", 1, 20)...)
		w.net.Heal()
		w.awaitEvent("gap")
		w.inTopic("first", "18", "19", "20")
	}},

	{name: "growing message", long: true, clause: "M2", needs: featureTopics, o: withTopics(), run: func(w *world) {
		w.connect()
		w.client.do(command{Do: "join", Topic: "news", From: "start"})
		w.awaitEvent("joined")
		answer := w.live.Load().Topic("news").Stream(w.ctx, "answer", "a")
		pieces := numbers("wörd ", 1, 80)
		want := strings.Join(pieces, "")
		for i, piece := range pieces {
			_, _ = io.WriteString(answer, piece)
			if i%20 == 10 {
				w.net.CutAfter(miragetest.Down, w.random.IntN(600), miragetest.FIN)
			}
			w.pause(30 * time.Millisecond)
		}
		_ = answer.Close()
		w.net.Heal()
		var end event
		w.until(func(events []event) bool {
			end = last(events, "message")
			return end.Done
		}, func() string {
			return fmt.Sprintf("the growing message is not complete: %d bytes of %d", len(end.Whole), len(want))
		})
		if end.Whole != want {
			fail("the growing message is %.200q, want %.200q", end.Whole, want)
		}
	}},

	{name: "refused join", clause: "T6", needs: featureTopics, o: withTopics(), run: func(w *world) {
		w.connect()
		w.client.do(command{Do: "join", Topic: "~only-the-server"})
		w.awaitEvent("left")
		events, _ := w.client.look()
		if status := last(events, "left").Status; status != 403 {
			fail("the server has refused a join with 403, and the client tells %d", status)
		}
	}},

	{name: "members", clause: "T8", needs: featureTopics, o: withTopics(), run: func(w *world) {
		w.connect()
		w.client.do(command{Do: "join", Topic: "room"})
		w.until(func(events []event) bool { return last(events, "members").Count == 1 },
			func() string { return "the client has not told that it is the only member" })
	}},
}
