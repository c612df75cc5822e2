package downstream

// Out is the output to one client. Write and Close are called only from drain functions,
// which never overlap.
type Out interface {
	// Write sends the bytes to the network in one write and one flush, under the write
	// deadline. An error is final.
	Write(b []byte) error
	// Schedule makes drain run soon, on another goroutine. If it is scheduled several
	// times before it begins, it runs once. Schedule never blocks, and may be called at
	// any time from any goroutine.
	Schedule(drain func())
	// Close ends the response after the bytes written so far.
	Close()
}
