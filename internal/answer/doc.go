// Package answer says what each error of a session is on the wire, and sets the headers
// that answers have in common. Both directions use it.
package answer
