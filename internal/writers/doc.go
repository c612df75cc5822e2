// Package writers runs the writes to many connections on as few goroutines as it takes. A
// Pool has the goroutines. A Task is what each connection schedules on it.
package writers
