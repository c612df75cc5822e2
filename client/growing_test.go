package client_test

import (
	"io"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
)

// C1: the beginning of a growing message has come, and was not delivered, so the next
// link begins before it. The server then sends the beginning with the pieces that follow
// it, under the number of the last of these. The loop gets each piece once.
func TestC1BeginningComesAgain(t *testing.T) {
	eachTransport(t, openTopics(), func(s *site, o client.Options) {
		c := s.connect(o)
		room := s.join(c, "doc", client.JoinOptions{})
		s.publish("doc", "before")
		equal(s, take(s, room.Messages, 1), "before")

		growing := s.live.Topic("doc").Stream(s.Context(), "answer", "a")
		io.WriteString(growing, "It ")
		time.Sleep(5 * time.Second)
		c.Disconnect()
		io.WriteString(growing, "grows")
		if err := c.Connect(s.Context()); err != nil {
			s.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		growing.Close()
		equal(s, take(s, room.Messages, 3), "It ", "grows", "")
	})
}
