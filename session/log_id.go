package session

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// LogID returns a short name for an id that is fit for logs: the beginning of its SHA-256
// hash, in 12 letters and digits. It tells nobody the id, unless the id can be guessed. The
// log lines of Mirage and package inspect name sessions in this way, except if
// Options.LogIDs is set.
func LogID(id string) string {
	sum := sha256.Sum256([]byte(id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:12])
}
