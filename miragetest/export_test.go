package miragetest

// NewProxyOn returns a proxy on any listener and dialer, so that its timers run in a
// synctest bubble.
var NewProxyOn = newProxy
