package frame

import "bytes"

var bom = []byte("\xEF\xBB\xBF")

// nextLine returns the next complete line without its end (LF, CR or CRLF). The line is
// part of the chunk or, if it began in an earlier one, of p.line, and is valid until the
// next call. The rest of the chunk after its last line end moves to p.line.
func (p *Parser) nextLine() (line []byte, ok bool) {
	if p.skipLF && len(p.chunk) > 0 {
		p.skipLF = false
		if p.chunk[0] == '\n' {
			p.advance(1)
		}
	}

	end := p.lineEnd()
	if len(p.line)+end+len(p.data) > p.kept {
		p.err, p.chunk = ErrTooLarge, nil
		return nil, false
	}

	line = p.chunk[:end]
	if end == len(p.chunk) { // the line goes on in the next chunk
		p.line, p.chunk = append(p.line, line...), nil
		return nil, false
	}

	if len(p.line) > 0 {
		p.line = append(p.line, line...)
		line, p.line = p.line, p.line[:0]
	}

	p.skipLF = p.chunk[end] == '\r'
	p.advance(end + 1)
	if !p.started {
		p.started = true
		line = bytes.TrimPrefix(line, bom)
	}
	return line, true
}

// lineEnd returns where the first line of the chunk ends, or len(p.chunk) if it does not
// end. Both kinds of end are searched once and remembered: searching for the LF again at
// each CR would take quadratic time for a chunk of CRs.
func (p *Parser) lineEnd() int {
	if p.lf < 0 {
		p.lf = indexOrLen(p.chunk, '\n')
	}
	if p.cr < 0 {
		p.cr = indexOrLen(p.chunk, '\r')
	}
	return min(p.lf, p.cr)
}

func (p *Parser) advance(n int) {
	p.chunk = p.chunk[n:]
	p.lf -= n
	p.cr -= n
}

func indexOrLen(b []byte, c byte) int {
	if i := bytes.IndexByte(b, c); i >= 0 {
		return i
	}
	return len(b)
}
