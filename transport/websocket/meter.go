package websocket

import "time"

// A meter counts the frames that a client sends, fragments and control frames too, and
// says how long to wait before more is read: it is a token bucket of rate tokens a second
// and four times as many at once. earned frames do not count. It belongs to the goroutine
// that reads.
type meter struct {
	rate   int          // negative: no bound
	earned func() int64 // which grows

	spent int64   // of what was earned
	used  float64 // how much is missing to a full bucket
	at    time.Time

	head [10]byte // of the frame that begins
	have int      // bytes of that
	skip uint64   // bytes of the frame that are still to come
}

// wait is how long until another frame may be read.
func (m *meter) wait(now time.Time) time.Duration {
	m.used = max(0, m.used-now.Sub(m.at).Seconds()*float64(m.rate))
	m.at = now
	excess := m.used - float64(4*m.rate)
	return max(0, time.Duration(excess/float64(m.rate)*float64(time.Second)))
}

// count counts the frames that begin in b, which follows what was counted before.
func (m *meter) count(b []byte) {
	began := int64(0)
	for len(b) > 0 {
		if n := min(m.skip, uint64(len(b))); n > 0 {
			m.skip -= n
			b = b[n:]
			continue
		}

		m.head[m.have] = b[0]
		m.have++
		b = b[1:]
		if size := m.size(); m.have == size {
			began++
			m.have, m.skip = 0, m.payload(size)
		}
	}

	free := min(began, max(0, m.earned()-m.spent))
	m.spent += free
	m.used += float64(began - free)
}

// size is the length of the head without its mask, as far as it is known (RFC 6455, 5.2).
func (m *meter) size() int {
	switch {
	case m.have < 2:
		return 2
	case m.head[1]&0x7f == 126:
		return 4
	case m.head[1]&0x7f == 127:
		return 10
	}
	return 2
}

// payload is how many bytes of the frame follow its head of that size.
func (m *meter) payload(size int) (n uint64) {
	for _, c := range m.head[2:size] {
		n = n<<8 | uint64(c)
	}
	if size == 2 {
		n = uint64(m.head[1] & 0x7f)
	}
	if m.head[1]&0x80 != 0 {
		n += 4 // the mask
	}
	return n
}
