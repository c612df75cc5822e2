package miragetest

// NewProxyOn makes a proxy of any listener and dialer, so that its timers run in a
// synctest bubble.
var NewProxyOn = newProxy
