package downstream

// Out is a way out to one client. Write and Close are called from drain functions alone,
// of which one runs at a time.
type Out interface {
	// Write hands the bytes to the network in one write and one flush, under the write
	// deadline. An error is final.
	Write(b []byte) error
	// Schedule lets drain run soon, off the caller's goroutine. Scheduled any number of
	// times before it begins, it runs once. Schedule never waits, and may be called at
	// any time from anywhere.
	Schedule(drain func())
	// Close ends the response after what was written.
	Close()
}
