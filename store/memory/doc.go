// Package memory has the store.Store that keeps sessions in the memory of one process. It
// is the default of package session. Packages session and store explain the terms.
package memory
