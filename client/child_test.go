package client_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mirage-go/mirage/client"
)

// With MIRAGE_CHILD, the test binary is a program that a test starts.
func TestMain(m *testing.M) {
	if address := os.Getenv("MIRAGE_CHILD"); address != "" {
		if err := child(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// child is the program of TestC1Stopped: it prints each message, and sends it back.
func child(address string) error {
	url, transport, _ := strings.Cut(address, " ")
	ctx := context.Background()
	c, err := client.Dial(ctx, url, client.Options{Transports: []string{transport}, MaxDelay: time.Second})
	if err != nil {
		return err
	}
	fmt.Println(c.ID())
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		fmt.Println(string(m.Data))
		if err := c.Send(ctx, client.Message{Data: m.Data}); err != nil {
			return err
		}
	}
	return nil
}
