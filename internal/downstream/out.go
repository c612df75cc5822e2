package downstream

// Out is a way out to one client. Write and Close are called from drain functions alone, of which one runs at a time.
type Out interface {
	// Write hands the bytes to the network in one write and one flush, under the write deadline. An error is final.
	Write(b []byte) error
	// Kick lets drain run soon, off the caller's goroutine; any number of kicks before it begins are one. It never waits, and may be called at
	// any time from anywhere.
	Kick(drain func())
	// Close ends the response after what was written.
	Close()
}
