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

// signingKeys reads the keys of a file, one in base64 on each line, the newest first. If
// the file does not exist, it is created with one new key. If file is "", the key is
// random and lost when the program ends, unless there is a directory for the data, which
// then has the key. kept describes for the log where the keys are from.
func signingKeys(file, dir string) (keys [][]byte, kept string, err error) {
	switch {
	case file == "" && dir != "":
		return nil, dir, nil
	case file == "":
		key, _ := newKey()
		return [][]byte{key}, "random: a restart gives all visitors new ids, use -data DIR to keep them", nil
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
		return nil, "", fmt.Errorf("%s: %w", file, err) // err does not contain the key
	}
	return keys, file, nil
}

// makeKeys writes a new key to a new file that only its owner can read.
func makeKeys(file string) ([]byte, error) {
	_, text := newKey()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(text)
	return text, errors.Join(err, f.Close())
}

// newKey returns a key, and its line for the file.
func newKey() (key, line []byte) {
	key = make([]byte, 32)
	rand.Read(key) // never fails
	return key, append(base64.StdEncoding.AppendEncode(nil, key), '\n')
}
