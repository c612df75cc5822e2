// Package writers runs the writes to many connections on as few goroutines as possible. A
// Pool has the goroutines. Each connection schedules a Task on it.
package writers
