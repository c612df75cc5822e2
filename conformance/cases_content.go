package main

import (
	"encoding/base64"
	"io"
	"net"
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
	w.atEnd = append(w.atEnd, func() { listener.Close() })
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
