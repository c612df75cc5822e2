package client

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A FileStore is a Persist in the file of that name, which only the user may read. The
// directory must exist. A crash leaves the former or the new state, never a part of one.
// Two clients must not use one file at the same time.
type FileStore string

// Load returns the contents of the file, or nil if it does not exist.
func (name FileStore) Load(context.Context) ([]byte, error) {
	text, err := os.ReadFile(string(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// Save writes a new file, and gives it the name.
func (name FileStore) Save(_ context.Context, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(string(name)), filepath.Base(string(name))+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()

	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), string(name))
}
