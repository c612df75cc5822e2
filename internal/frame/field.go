package frame

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// field parses one line that is not blank.
func (p *Parser) field(line []byte) {
	name, value, _ := bytes.Cut(line, []byte{':'})
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	p.filled = p.filled || len(name) > 0

	switch string(name) {
	case "":
		p.comments++
	case "data":
		p.data = append(append(p.data, value...), '\n')
	case "event":
		if p.named = len(value) > 0; p.name != string(value) {
			p.name = string(value)
		}
	case "topic":
		if p.topical = len(value) > 0; p.topic != string(value) {
			p.topic = string(value)
		}
	case "key":
		if p.keyed = len(value) > 0; p.key != string(value) {
			p.key = string(value)
		}
	case "grow":
		p.grow = parseGrow(value)
	case "done":
		p.done = string(value) == "true"
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			p.id, p.hasID = append(p.id[:0], value...), true
		}
	case "retry":
		// A Duration holds 43 bits of milliseconds, some 278 years.
		if ms, err := strconv.ParseUint(string(value), 10, 43); err == nil {
			p.retry, p.retries = time.Duration(ms)*time.Millisecond, true
		}
	case "encoding":
		p.base64 = string(value) == "base64"
		p.strange = !p.base64
	case "trace":
		p.trace = ""
		if len(value) == traceLength {
			if trace := string(value); IsTrace(trace) {
				p.trace = trace
			}
		}
	case "type":
		p.binary = string(value) == "binary"
	}
}

// dispatch ends the block at a blank line. It returns an event if there is data, or an id
// alone and the caller asked for that (ReturnMoves). If it fails, it sets p.err and does
// not update the last id, so a client that resumes there gets the event again.
func (p *Parser) dispatch() (event Event, ok bool) {
	if ok = len(p.data) > 0; ok {
		if event.Data, p.err = p.payload(); p.err != nil {
			return Event{}, false
		}
	} else if p.filled {
		p.skipped++
		ok = p.moves && p.hasID
	}

	if p.hasID && p.lastID != string(p.id) {
		p.lastID = string(p.id)
	}

	event.ID, event.HasID, event.Binary = p.lastID, p.hasID, p.binary
	event.Grow, event.Done = p.grow-1, p.done
	if p.named && p.name != "message" {
		event.Name = p.name
	}
	if p.topical {
		event.Topic = p.topic
	}
	if p.keyed {
		event.Key = p.key
	}

	p.data = p.data[:0]
	p.filled, p.named, p.hasID, p.base64, p.binary, p.strange = false, false, false, false, false, false
	event.Trace = p.trace
	p.topical, p.keyed, p.grow, p.done, p.trace = false, false, 0, false, ""
	return event, ok
}

// parseGrow returns the value of Parser.grow. A client cannot guess where the piece of a
// growing message belongs, so an offset that it cannot read is an error, as an unknown
// encoding is.
func parseGrow(value []byte) int64 {
	if !isNumber(value) {
		return -1
	}
	n, err := strconv.ParseUint(string(value), 10, 53)
	if err != nil {
		return -1
	}
	return int64(n) + 1
}

func (p *Parser) payload() ([]byte, error) {
	data := p.data[:len(p.data)-1]
	if p.strange || p.grow < 0 {
		return nil, ErrEncoding
	}

	if p.base64 {
		var err error
		if p.decoded, err = base64.StdEncoding.AppendDecode(p.decoded[:0], data); err != nil {
			return nil, ErrEncoding
		}
		if data = p.decoded; data == nil {
			data = []byte{}
		}
	}

	control := p.named && strings.HasPrefix(p.name, EventHello)
	if len(data) > p.largest && (!control || len(data) > MaxControl) {
		return nil, ErrTooLarge
	}
	return data, nil
}
