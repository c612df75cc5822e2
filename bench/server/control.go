package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// control mounts the endpoints through which the load generator controls the server.
//
//	POST /_bench/broadcast?n=&size=&rate=&seq=
//		n messages to everybody; answers when they are sent
//	POST /_bench/unicast?n=&size=&rate=&seq=&sessions=
//		n messages to the sessions in turn
//	POST /_bench/gc
//		settles the heap; answers with memory figures
//	GET /_bench/mem, GET /_bench/up
//		memory figures; the count of upstream messages
func control(mux *http.ServeMux, up *atomic.Int64, broadcast func([]byte), unicast func(int, []byte)) {
	mux.HandleFunc("/_bench/broadcast", func(w http.ResponseWriter, r *http.Request) {
		size, seq := number(r, "size", 200), number(r, "seq", 0)
		pace(number(r, "n", 1), number(r, "rate", 0), func(i int) { broadcast(payload(seq+i, size)) })
		fmt.Fprint(w, "ok")
	})
	mux.HandleFunc("/_bench/unicast", func(w http.ResponseWriter, r *http.Request) {
		size, seq, sessions := number(r, "size", 200), number(r, "seq", 0), number(r, "sessions", 1)
		pace(number(r, "n", 1), number(r, "rate", 0),
			func(i int) { unicast((seq+i)%sessions, payload((seq+i)/sessions, size)) })
		fmt.Fprint(w, "ok")
	})

	mux.HandleFunc("/_bench/gc", func(w http.ResponseWriter, _ *http.Request) {
		runtime.GC()
		time.Sleep(50 * time.Millisecond)
		runtime.GC()
		debug.FreeOSMemory()
		memory(w, up)
	})
	mux.HandleFunc("/_bench/mem", func(w http.ResponseWriter, _ *http.Request) { memory(w, up) })
	mux.HandleFunc("/_bench/up", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, up.Load()) })

	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
}

func memory(w http.ResponseWriter, up *atomic.Int64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"heapInuse": m.HeapInuse, "heapAlloc": m.HeapAlloc, "heapObjects": m.HeapObjects,
		"stackInuse": m.StackInuse, "sys": m.Sys, "numGC": m.NumGC,
		"goroutines": runtime.NumGoroutine(), "dropped": 0, "up": up.Load(),
	})
}

func number(r *http.Request, key string, otherwise int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(key)); err == nil {
		return n
	}
	return otherwise
}

// payload is '@M', ten digits of the sequence number, 'T', sixteen of CLOCK_MONOTONIC in
// nanoseconds, and padding. It is formatted by hand, as in the peers' servers, because
// that cost is part of each message.
func payload(seq, size int) []byte {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	b := make([]byte, 0, max(size, 29))
	b = digits(append(b, "@M"...), int64(seq), 10)
	b = digits(append(b, 'T'), now.Nano(), 16)
	for len(b) < size {
		b = append(b, padding[:min(len(padding), size-len(b))]...)
	}
	return b
}

var padding = strings.Repeat("x", 256)

// digits appends n with leading zeros.
func digits(b []byte, n int64, width int) []byte {
	b = append(b, "0000000000000000"[:width]...)
	for i := len(b) - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// pace calls f(0) to f(n-1), rate times a second, or as fast as it can if rate is zero.
// It wakes at most once a millisecond, and then makes all calls that are due.
func pace(n, rate int, f func(int)) {
	start := time.Now()
	for i := 0; i < n; {
		due := n
		if rate > 0 {
			due = min(n, int(time.Since(start).Seconds()*float64(rate))+1)
		}
		for ; i < due; i++ {
			f(i)
		}
		if i < n {
			time.Sleep(max(time.Millisecond, time.Until(start.Add(time.Duration(i)*time.Second/time.Duration(rate)))))
		}
	}
}
