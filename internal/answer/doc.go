// Package answer maps each error of a session to its response, and sets the headers that
// responses have in common. Both directions use it.
package answer
