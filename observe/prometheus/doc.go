// Package prometheus counts what happens in a Live for Prometheus.
//
//	observer := mirageprom.New(mirageprom.Options{})
//	live := mirage.New(mirage.Options{Keys: keys, Observer: observer})
//	observer.Watch(live)
//	registry.MustRegister(observer)
//
// The names of the metrics, with their labels and what they mean, are in
// docs/operations.md, section Metrics. No label has an id, a reader or the name of a
// topic. The file dashboard.json is a dashboard for Grafana.
//
// The package is a module of its own, so that only its users need client_golang. Its name
// is that of client_golang's package: import it as mirageprom.
package prometheus
