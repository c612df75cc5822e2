package frame

import (
	"io"
	"iter"
)

// All reads the stream r and yields its events. Data is valid until the next event. The
// iteration ends at the end of the stream, or after an error of the parser or of r was
// yielded. If you break out of the loop, the rest of the chunk stays in the parser.
func (p *Parser) All(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		buf := make([]byte, 4<<10)
		for {
			n, readErr := r.Read(buf)
			p.Feed(buf[:n])

			for {
				event, ok, err := p.Next()
				if err != nil {
					yield(Event{}, err)
					return
				}
				if !ok {
					break
				}
				if !yield(event, nil) {
					return
				}
			}

			if readErr != nil {
				if readErr != io.EOF {
					yield(Event{}, readErr)
				}
				return
			}
		}
	}
}
