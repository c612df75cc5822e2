package miragetest

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
)

// heldBytes is how much of one response a proxy under Hold keeps at most, as a real one
// does with its disk.
const heldBytes = 16 << 20

// holder reads what src sends, byte for byte, but in whole HTTP/1 responses.
type holder struct {
	src   io.Reader
	err   error         // of src
	raw   bytes.Buffer  // what was read from src and not handed out
	whole int           // so much of raw may be handed out
	parse *bufio.Reader // reads src through raw
	open  bool          // everything passes
}

func newHolder(src io.Reader) *holder {
	h := &holder{src: src}
	h.parse = bufio.NewReader(tap{h})
	return h
}

// tap lets the parser read from src and keeps what it has read.
type tap struct{ *holder }

func (t tap) Read(b []byte) (n int, err error) {
	n, err = t.src.Read(b)
	t.raw.Write(b[:n])
	t.err = err
	return n, err
}

// Read hands out the responses that are complete, or waits for the next one.
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

// next reads one response. Where that fails, as it is too large, broken off or no
// response, everything passes as it comes.
func (h *holder) next() {
	resp, err := http.ReadResponse(h.parse, nil)
	if err == nil {
		_, err = io.CopyN(io.Discard, resp.Body, heldBytes)
	}
	// io.EOF is the end of a body that is not as large as that.
	if h.err == nil && err == io.EOF && resp.StatusCode != http.StatusSwitchingProtocols {
		h.whole = h.raw.Len() - h.parse.Buffered()
		return
	}
	h.whole, h.open = h.raw.Len(), true
}
