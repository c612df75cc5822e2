package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// A greeting is the first line of a client.
type greeting struct {
	Name       string   `json:"name"`
	Transports []string `json:"transports"` // that it can be told to use: websocket, sse, poll
	Features   []string `json:"features"`   // see the features
}

// The optional features of a client.
const (
	featureBinary = "binary" // messages of bytes, in both directions
	featureEmit   = "emit"   // the client tells how each message of its own ended
	featureReload = "reload" // what a page keeps in its storage
	featureSwitch = "switch" // another transport without a break
	featureTopics = "topics" // join, leave, members, growing messages
)

// A command is a line to the client.
type command struct {
	Do         string   `json:"do"`
	URL        string   `json:"url,omitempty"`
	Transports []string `json:"transports,omitempty"`
	Transport  string   `json:"transport,omitempty"`
	Data       string   `json:"data,omitempty"`
	Base64     *string  `json:"base64,omitempty"` // of bytes, in place of data
	Name       string   `json:"name,omitempty"`   // of the message
	Ref        int      `json:"ref,omitempty"`    // that accepted or rejected repeats
	Topic      string   `json:"topic,omitempty"`
	From       string   `json:"from,omitempty"`
}

// An event is a line from the client.
type event struct {
	Event     string  `json:"event"`
	Data      string  `json:"data"`
	Base64    *string `json:"base64"`
	Name      string  `json:"name"`
	Topic     string  `json:"topic"`
	Whole     string  `json:"whole"` // what there is of a growing message
	Done      bool    `json:"done"`
	Again     bool    `json:"again"`
	From      uint64  `json:"from"`
	To        uint64  `json:"to"`
	Reason    string  `json:"reason"`
	Ref       int     `json:"ref"`
	Status    int     `json:"status"`
	State     string  `json:"state"`
	Transport string  `json:"transport"`
	Count     int     `json:"count"`
	Text      string  `json:"text"`
}

// A child is the client under test.
type child struct {
	greeting greeting
	verbose  io.Writer
	cmd      *exec.Cmd
	in       io.WriteCloser
	ended    chan struct{} // closed after its last line

	mu      sync.Mutex
	events  []event
	changed chan struct{} // closed at the next event
}

const greetingTimeout = 20 * time.Second

// startClient starts the client and waits for its greeting.
func startClient(ctx context.Context, line string, verbose io.Writer) (*child, error) {
	words := strings.Fields(line)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}

	c := &child{
		verbose: verbose, cmd: cmd, in: in, ended: make(chan struct{}), changed: make(chan struct{}),
	}
	greeted := make(chan error, 1)
	go c.read(out, greeted)
	select {
	case err = <-greeted:
	case <-time.After(greetingTimeout):
		err = fmt.Errorf("the client has not greeted within %v", greetingTimeout)
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// read reads the lines of the client until its end.
func (c *child) read(out io.Reader, greeted chan<- error) {
	defer close(c.ended)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 8<<20)
	for first := true; lines.Scan(); first = false {
		c.log("<", lines.Bytes())
		if first {
			greeted <- json.Unmarshal(lines.Bytes(), &c.greeting)
			continue
		}
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = event{Event: "error", Text: fmt.Sprintf("a line is not JSON: %.100q", lines.Text())}
		}
		c.add(e)
	}
	select {
	case greeted <- fmt.Errorf("the client has ended without a greeting"):
	default:
	}
	c.add(event{Event: "end"})
}

func (c *child) add(e event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
	close(c.changed)
	c.changed = make(chan struct{})
}

// look returns what has come, and a channel that is closed when more comes.
func (c *child) look() ([]event, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events), c.changed
}

func (c *child) do(what command) {
	line, _ := json.Marshal(what) // cannot fail
	c.log(">", line)
	_, _ = c.in.Write(append(line, '\n')) // a client that has ended is noticed by its last event
}

func (c *child) log(mark string, line []byte) {
	if c.verbose != nil {
		fmt.Fprintf(c.verbose, "%s %.300s\n", mark, line)
	}
}

// stop ends the client, by force if it does not end by itself.
func (c *child) stop() {
	c.in.Close()
	select {
	case <-c.ended:
	case <-time.After(3 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
	_ = c.cmd.Wait()
}
