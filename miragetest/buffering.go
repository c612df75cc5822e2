package miragetest

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
)

// heldBytes is how much of one response a proxy under Hold buffers at most, as a real
// proxy does on its disk.
const heldBytes = 16 << 20

// holder reads the bytes of src unchanged, but passes on only whole HTTP/1 responses.
type holder struct {
	src   io.Reader
	err   error         // from src
	raw   bytes.Buffer  // read from src, but not passed on yet
	whole int           // how much of raw may be passed on
	parse *bufio.Reader // reads src through raw
	open  bool          // everything passes
}

func newHolder(src io.Reader) *holder {
	h := &holder{src: src}
	h.parse = bufio.NewReader(tap{h})
	return h
}

// tap lets the parser read from src and keeps the bytes that it has read.
type tap struct{ *holder }

func (t tap) Read(b []byte) (n int, err error) {
	n, err = t.src.Read(b)
	t.raw.Write(b[:n])
	t.err = err
	return n, err
}

// Read returns bytes of complete responses, or waits for the next one.
func (h *holder) Read(b []byte) (int, error) {
	for h.whole == 0 {
		switch {
		case h.err != nil:
			return 0, h.err
		case h.open:
			return h.src.Read(b)
		}
		h.next()
	}
	n, _ := h.raw.Read(b[:min(len(b), h.whole)])
	h.whole -= n
	return n, nil
}

// next reads one response. If that fails, because it is too large, incomplete or not a
// response, everything passes as it comes.
func (h *holder) next() {
	resp, err := http.ReadResponse(h.parse, nil)
	if err == nil {
		_, err = io.CopyN(io.Discard, resp.Body, heldBytes)
	}
	// io.EOF is the end of a body that is smaller than heldBytes.
	if h.err == nil && err == io.EOF && resp.StatusCode != http.StatusSwitchingProtocols {
		h.whole = h.raw.Len() - h.parse.Buffered()
		return
	}
	h.whole, h.open = h.raw.Len(), true
}
