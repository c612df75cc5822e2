package redis

import "github.com/mirage-go/mirage/store"

// supported returns ErrUnsupported for a message with Key or TTL, which this store does
// not have yet.
func supported(m *store.Message) error {
	if m.Key != "" || m.TTL > 0 {
		return store.ErrUnsupported
	}
	return nil
}
