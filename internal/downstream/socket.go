package downstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Socket is the way out of a WebSocket link whose connection was taken over: the server's half of RFC 6455. Each write is a text frame, or some, and
// what else is to be said (answers, pings, pongs) goes with it. Like Hijacked it is written by Writers. Who reads from the connection is somebody else,
// and closes it by Leave.
type Socket struct {
	kicks   Kicks
	work    func() // run, made once
	conn    net.Conn
	timeout time.Duration
	beat    time.Duration
	closing func() (code int, reason string)
	closed  func()

	heard atomic.Int64 // when bytes came from the client, since begun: no change of the clock makes it older than a ping

	// Owned by run, one of which runs at a time.
	armed   time.Time
	wrote   time.Time // the last text frame
	pinged  int64     // since begun; 0 if none
	bye     bool      // nothing more can be written
	failed  bool      // because a write failed; else the last one was a close frame
	greeted bool      // hello is written

	mu      sync.Mutex
	changed sync.Cond // what is said was written; the link has stopped
	drain   func()
	over    bool   // nothing more is taken from the link
	stopped bool   // nothing more is written
	polite  bool   // and the last that was is a close frame
	ending  bool   // there is or was a close frame to write
	busy    bool   // something that came is being handled
	patient bool   // the close frame lets the answer to it go first
	said    []byte // blocks that go out with the next frame
	pong    []byte // a pong frame
	last    []byte // the close frame, until it is written
}

// Socket returns the way out over conn. Each write must succeed within timeout, or half
// as long again. A client that was silent for about two beats, though it was pinged, is
// gone; 0 pings nobody. closing says how a link ends that Close ends; closed is called
// once, when no more will be written and nothing takes from the link any more.
func (ws *Writers) Socket(conn net.Conn, timeout, beat time.Duration, closing func() (code int, reason string), closed func()) *Socket {
	s := &Socket{conn: conn, timeout: timeout, beat: beat, closing: closing, closed: closed, wrote: time.Now()}
	s.changed.L = &s.mu
	s.Heard()
	s.work = s.run
	s.kicks.writers, s.kicks.stopped = ws, func() { s.stop(false) }
	return s
}

const (
	opText  = 0x81 // with FIN
	opClose = 0x88
	opPing  = 0x89
	opPong  = 0x8a

	maxControl = 125      // bytes of a control frame's payload
	maxFrame   = 16 << 10 // bytes of a text frame, unless one block is larger: it counts for a client only when it has come whole
	maxSaid    = 4 << 10  // bytes that may wait to be said
	keepSaid   = 128      // bytes that an idle link keeps for the next answer
	maxLinger  = 1 << 20  // bytes that are read from a client that is to leave

	closeWait = 5 * time.Second // that a client has for leaving, in all
	byeWait   = 2 * time.Second // of which it has this for its close frame
)

// ServiceRestart is the close code of links whose clients are to come back.
const ServiceRestart = 1012

var errVanished = errors.New("stream: no answer to a ping")

// Heard notes that the client is there.
func (s *Socket) Heard() { s.heard.Store(int64(time.Since(begun))) }

// Busy notes whether something that the client sent is being handled: nobody may read from it meanwhile, so that its silence means nothing, and a link that
// ends in peace gives the answer some time.
func (s *Socket) Busy(busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Heard()
	if s.busy = busy; !busy {
		s.hurryLocked()
	}
}

// ReadUntil sets the deadline for reading, unless the link is over: then it has its own. The zero time is none.
func (s *Socket) ReadUntil(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		_ = s.conn.SetReadDeadline(t)
	}
}

// Kick implements Out.
func (s *Socket) Kick(drain func()) {
	s.mu.Lock()
	s.drain = drain
	s.mu.Unlock()
	s.kicks.Kick(s.work)
}

// Say lets blocks go out soon, after those that the link has. It waits while the client does not read what was said before.
func (s *Socket) Say(blocks []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.said) > maxSaid && !s.over {
		s.changed.Wait()
	}
	if !s.over || s.patient {
		s.said = append(s.said, blocks...)
		s.kicks.Kick(s.work)
	}
}

// Pong answers a ping; of several that wait only the last one is answered.
func (s *Socket) Pong(payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(payload) <= maxControl {
		s.pong = append(append(s.pong[:0], opPong, byte(len(payload))), payload...)
		s.kicks.Kick(s.work)
	}
}

// Finish ends the link with a close frame of that code, after what is being written, and after the answer to what is being handled if the client is to
// come back. Only the first end counts.
func (s *Socket) Finish(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over, s.ending, s.last = true, true, appendClose(nil, code, reason)
	if s.busy && code == ServiceRestart {
		s.patient = true
		time.AfterFunc(closeWait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.hurryLocked()
		})
		return
	}
	s.kicks.Kick(s.work)
}

// hurryLocked lets the close frame wait no longer.
func (s *Socket) hurryLocked() {
	if s.patient {
		s.patient = false
		s.kicks.Kick(s.work)
	}
}

// appendClose appends a close frame, of no code if that is 0. A reason that does not fit is left out.
func appendClose(dst []byte, code int, reason string) []byte {
	if code == 0 {
		return append(dst, opClose, 0)
	}
	if len(reason) > maxControl-2 {
		reason = ""
	}
	dst = append(dst, opClose, byte(2+len(reason)))
	return append(binary.BigEndian.AppendUint16(dst, uint16(code)), reason...)
}

// Close implements Out.
func (s *Socket) Close() {
	if code, reason := s.closing(); code != 0 {
		s.Finish(code, reason)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

// Leave ends the link because reading has: the client is gone, or has said goodbye, or is not to be heard any more. A close frame that is on its way is
// written first, and a client that has not said goodbye gets time to read it. Nobody may read any more.
func (s *Socket) Leave(goodbye bool) {
	s.mu.Lock()
	s.over, s.patient = true, false
	if !s.ending {
		s.conn.Close() // what is being written has no reader
	}
	s.kicks.Kick(s.work)
	for !s.stopped {
		s.changed.Wait()
	}
	linger := s.polite && !goodbye
	s.mu.Unlock()
	if linger {
		s.linger()
	}
	s.conn.Close()
}

// linger gives a client that has not said goodbye time to read the close frame: a connection that is closed with bytes unread is reset, and the reset
// may overtake the frame.
func (s *Socket) linger() {
	c, ok := s.conn.(interface{ CloseWrite() error })
	if !ok || c.CloseWrite() != nil {
		return
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(closeWait - byeWait))
	_, _ = io.CopyN(io.Discard, s.conn, maxLinger)
}

// Over tells whether the link has ended.
func (s *Socket) Over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// run runs drain, and writes what was said.
func (s *Socket) run() {
	drain, stopped := s.next()
	if stopped {
		return
	}
	if drain != nil {
		drain()
	}
	if !s.bye { // else the close frame has gone out with what drain had
		_ = s.Write(nil)
	}
	if s.bye {
		s.stop(!s.failed)
	} else if s.left() {
		s.stop(false)
	}
}

// next is what run runs, if the link is not over.
func (s *Socket) next() (drain func(), stopped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, s.stopped
	}
	return s.drain, false
}

// left tells whether the link is over without a close frame.
func (s *Socket) left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over && !s.ending
}

// stop is run's end with the link's. Politely, the client has two seconds to answer the close frame, and who reads from it closes the connection then: a
// client whose connection ends before it has answered (RFC 6455, 7.1.4) tells its page that the end was not clean.
func (s *Socket) stop(politely bool) {
	s.mu.Lock()
	before := s.stopped
	s.over, s.stopped, s.polite, s.patient, s.said = true, true, politely, false, nil
	if politely {
		_ = s.conn.SetReadDeadline(time.Now().Add(byeWait))
	}
	s.changed.Broadcast()
	s.mu.Unlock()
	if !politely {
		s.conn.Close()
	}
	if !before {
		s.closed()
	}
}

// frames keeps buffers for what is being written; idle links hold none.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// Write implements Out. b is whole blocks. What is to be said beside it goes along, and all of it is one write.
func (s *Socket) Write(b []byte) error {
	if s.bye {
		return net.ErrClosed
	}
	err := s.write(b)
	if err != nil {
		s.bye, s.failed = true, true
	}
	return err
}

func (s *Socket) write(b []byte) (err error) {
	buf := frames.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= keepBuffer {
			frames.Put(buf)
		}
	}()
	now := time.Now()
	out := (*buf)[:0]
	if len(b) > 0 {
		if out, err = s.ping(out, now); err != nil {
			return err
		}
	}
	out, s.bye = s.take(out, b)
	*buf = out
	if len(out) == 0 {
		return nil
	}
	if now.Sub(s.armed) > s.timeout/2 {
		_ = s.conn.SetWriteDeadline(now.Add(s.timeout + s.timeout/2))
		s.armed = now
	}
	_, err = s.conn.Write(out)
	return err
}

// cut returns how much of b goes into one frame.
func (s *Socket) cut(b []byte) int {
	limit := maxFrame
	if !s.greeted && len(b) > 0 { // a client on a slow network has hello before all that waits
		s.greeted, limit = true, 0
	}
	if len(b) <= limit {
		return len(b)
	}
	if i := bytes.LastIndex(b[:limit], blank); i >= 0 {
		return i + len(blank)
	}
	from := max(0, limit-1)
	if i := bytes.Index(b[from:], blank); i >= 0 {
		return from + i + len(blank)
	}
	return len(b)
}

// blank is the end of a block; no block has one inside.
var blank = []byte("\n\n")

// take appends frames of b and what was said, the pong and the close frame.
func (s *Socket) take(dst, b []byte) (_ []byte, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := s.cut(b); n < len(b); n = s.cut(b) {
		dst = append(appendHeader(dst, n), b[:n]...)
		b = b[n:]
	}
	if n := len(b) + len(s.said); n > 0 {
		dst = append(append(appendHeader(dst, n), b...), s.said...)
		if s.said = s.said[:0]; cap(s.said) > keepSaid {
			s.said = nil
		}
		s.changed.Broadcast()
	}
	dst = append(dst, s.pong...)
	s.pong = nil
	if last = s.last != nil && !s.patient; last {
		dst = append(dst, s.last...)
		s.last = nil
	}
	return dst, last
}

// ping appends a ping where the link had nothing to say for a while, and finds out whether the last one was answered. A busy link needs none: its
// client acknowledges, or the network's buffer gets full.
func (s *Socket) ping(dst []byte, now time.Time) ([]byte, error) {
	idle := now.Sub(s.wrote) > s.beat/4*3
	s.wrote = now
	if !idle || s.beat <= 0 {
		return dst, nil
	}
	if s.pinged != 0 && s.heard.Load() < s.pinged && !s.isBusy() {
		return dst, errVanished
	}
	s.pinged = int64(now.Sub(begun))
	return append(dst, opPing, 0), nil
}

func (s *Socket) isBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

func appendHeader(dst []byte, n int) []byte {
	switch {
	case n <= maxControl:
		return append(dst, opText, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, opText, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, opText, 127), uint64(n))
}
