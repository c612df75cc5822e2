package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/store/redis"
)

// openSessions returns a Live whose sessions are where the flag -sessions says. close
// releases what keeps them, after Shutdown.
//
// On disk and in Redis they survive the server: workers continue as if nothing had
// happened. Those in memory do not. Workers are told so, keep their ids, because the key
// is in a file, and get the jobs that they have lost after the lease.
func openSessions(s settings, o mirage.Options) (live *mirage.Live, close func() error, err error) {
	nothing := func() error { return nil }
	if s.sessions == "disk" {
		o.Dir = filepath.Join(s.dir, "sessions") // with the key
		live, err = mirage.Open(o)
		return live, nothing, err
	}

	key, err := secret(filepath.Join(s.dir, "key"))
	if err != nil {
		return nil, nil, err
	}
	o.Keys = [][]byte{[]byte(key)}
	if s.sessions == "memory" {
		return mirage.New(o), nothing, nil
	}

	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:      []string{s.sessions},
		DisableCache:     true,            // the store does not read anything twice
		ConnWriteTimeout: 2 * time.Second, // how soon a dead connection is closed
	})
	if err != nil {
		return nil, nil, fmt.Errorf("no Redis at %s: start it, or give its address with -sessions: %w", s.sessions, err)
	}
	kept := redis.New(client, redis.Options{Prefix: "worker"})
	o.Store = kept
	return mirage.New(o), func() error { kept.Close(); client.Close(); return nil }, nil
}

// secret returns the secret in a file, and creates the file if there is none.
func secret(name string) (string, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(rand.Text() + rand.Text() + "\n")
		err = os.WriteFile(name, text, 0o600)
	}
	if value := strings.TrimSpace(string(text)); err != nil || len(value) >= 32 {
		return value, err
	}
	return "", fmt.Errorf("%s has no secret of 32 characters: delete it to get a new one", name)
}
