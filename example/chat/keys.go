package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/mirage-go/mirage"
)

// signingKeys reads the keys of a file, one in base64 on each line, the newest first; a
// missing file is made with one new key. Without a file the key is as old as the program.
// kept says in words which.
func signingKeys(file string) (keys [][]byte, kept string, err error) {
	if file == "" {
		key, _ := newKey()
		return [][]byte{key}, "random: a restart makes strangers of all, -keys FILE does not", nil
	}

	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeKeys(file)
	}
	if err != nil {
		return nil, "", err
	}

	keys, err = mirage.ParseKeys(string(text))
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", file, err) // without the key
	}
	return keys, file, nil
}

// makeKeys writes a new key to a file that only its owner can read. It overwrites none.
func makeKeys(file string) ([]byte, error) {
	_, text := newKey()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(text)
	return text, errors.Join(err, f.Close())
}

// newKey returns a key, and the line for it.
func newKey() (key, line []byte) {
	key = make([]byte, 32)
	rand.Read(key) // never fails
	return key, append(base64.StdEncoding.AppendEncode(nil, key), '\n')
}
