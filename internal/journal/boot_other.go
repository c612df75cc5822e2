//go:build !linux && !darwin

package journal

func bootIdentity() string { return "" }
