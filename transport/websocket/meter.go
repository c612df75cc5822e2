package websocket

import "time"

// A meter counts the frames that a client sends, fragments and control frames included,
// and says how long to wait before more is read. It is a token bucket of rate tokens a
// second and four times as many at once. Earned frames do not count. A meter belongs to
// the goroutine that reads.
type meter struct {
	rate   int          // tokens a second, more than 0
	earned func() int64 // how many frames do not count; never decreases

	spent int64   // how many of the earned frames were used
	used  float64 // how many tokens are missing from a full bucket
	at    time.Time

	head [10]byte // the header of the present frame, without its mask
	have int      // how many bytes of head have arrived
	skip uint64   // how many bytes of the frame are still to come
}

// wait returns how long it is until another frame may be read.
func (m *meter) wait(now time.Time) time.Duration {
	m.used = max(0, m.used-now.Sub(m.at).Seconds()*float64(m.rate))
	m.at = now
	excess := m.used - float64(4*m.rate)
	return max(0, time.Duration(excess/float64(m.rate)*float64(time.Second)))
}

// count counts the frames that begin in b. b follows the bytes that were counted before.
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

// size returns the length of the header without its mask, as far as it is known (RFC
// 6455, 5.2).
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

// payload returns how many bytes of the frame follow its header of that size, the mask
// included.
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
