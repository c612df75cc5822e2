package mirage

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/mirage-go/mirage/store/disk"
)

// Open is New for a Live that keeps its sessions and topics in a directory: o.Dir. They
// survive restarts, crashes and kill -9, and clients resume. Package disk says what is
// promised. Shutdown closes the directory. Without o.Dir, Open is New.
//
// If o.Keys is empty, Open makes a key and keeps it in the file keys in the directory, so
// that ids stay valid, too. Whoever can read that file can be any visitor.
//
// The error is about the directory: another process uses it, it is damaged, or the file
// system has failed. It says what to do. Like New, Open panics if other options are
// invalid.
func Open(o Options) (*Live, error) {
	dir := o.Dir
	if dir == "" {
		return New(o), nil
	}
	if o.Store != nil {
		panic("mirage: Options.Dir and Options.Store are both set: keep the sessions in one place")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}

	s, err := disk.Open(dir, disk.Options{Budget: o.Budget, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("mirage: Options.Dir: %w", err)
	}
	if len(o.Keys) == 0 {
		if o.Keys, err = keysIn(dir); err != nil {
			return nil, errors.Join(fmt.Errorf("mirage: Options.Dir: %w", err), s.Close())
		}
	}

	o.Dir, o.Store = "", s
	opened := false
	defer func() {
		if !opened { // New panics
			_ = s.Close()
		}
	}()
	l := New(o)
	l.store, opened = s, true
	return l, nil
}

// keysIn returns the keys in the directory's file, which is made if it does not exist.
// The directory is locked, so no other process makes one at the same time.
func keysIn(dir string) ([][]byte, error) {
	name := filepath.Join(dir, "keys")
	text, err := os.ReadFile(name)
	switch {
	case err == nil:
		keys, err := ParseKeys(string(text))
		if err != nil {
			return nil, fmt.Errorf("the file %s: %w", name, err)
		}
		return keys, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}

	key := make([]byte, 32)
	rand.Read(key)
	text = append(base64.StdEncoding.AppendEncode(nil, key), '\n')
	if err := writeKeys(name, text); err != nil {
		return nil, err
	}
	return ParseKeys(string(bytes.TrimSpace(text)))
}

// writeKeys writes the file, and then gives it its name: a crash leaves no part of one.
func writeKeys(name string, text []byte) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
