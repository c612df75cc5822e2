package mirage

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/mirage-go/mirage/store/memory"
)

// makeKey tells the reader of an error how to make a key.
const makeKey = "make one with: head -c 32 /dev/urandom | base64"

// ParseKeys parses the keys for Options.Keys from the text of a secret or an environment
// variable. Each key is at least 32 bytes in standard base64 with padding. Keys are
// separated by spaces, tabs, commas or line ends. The first one signs, so put the newest
// first. Text without a key is an error. An error never contains a key.
func ParseKeys(text string) ([][]byte, error) {
	var keys [][]byte
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,\t\r\n", r) }) {
		key, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(key) < 32 {
			return nil, fmt.Errorf("mirage: key %d is not base64 of at least 32 bytes; %s", len(keys)+1, makeKey)
		}
		keys = append(keys, key)
	}
	if keys == nil {
		return nil, errors.New("mirage: the text contains no key; " + makeKey)
	}
	return keys, nil
}

// keys returns the keys that sign ids. A random key is only for development on one
// machine.
func (o *Options) keys() [][]byte {
	_, local := o.Store.(*memory.Store)
	switch {
	case len(o.Keys) > 0:
		return o.Keys
	case o.Store != nil && !local:
		panic("mirage: Options.Keys is empty and Store is set: all processes that share a store need the same keys; " +
			makeKey + ", and read it as a secret with ParseKeys")
	case !o.Insecure:
		panic("mirage: Options.Keys is empty: no id would be valid after a restart; " +
			makeKey + ", and read it as a secret with ParseKeys. For development on plain http, set Insecure instead")
	}

	o.Logger.Warn("mirage: Options.Keys is empty: ids are signed with a random key, " +
		"and every restart gives all visitors new ids")
	key := make([]byte, 32)
	rand.Read(key)
	return [][]byte{key}
}
