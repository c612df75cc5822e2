// Command server runs Mirage under the load generator. It serves streams, WebSockets,
// polls and POSTs at /live for the unsigned ids s0, s1, …, with every bound raised so
// that nothing is refused. The generator controls it through endpoints of its own.
//
//	PORT=9000 go run ./server            # streams are hijacked
//	MIRAGE=plain PORT=9000 go run ./server
package main

import (
	"bytes"
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/sse"
)

func main() {
	codec, err := cookie.New(cookie.Options{Insecure: true}, bytes.Repeat([]byte{1}, 32))
	if err != nil {
		log.Fatal(err)
	}

	var up atomic.Int64
	m := session.New(session.Options{
		Budget: -1, Rate: -1, MaxMessages: 1024, Overflow: store.OverflowDropOldest, LinkAge: time.Hour,
		OnMessage: func(context.Context, *session.Session, session.Incoming) error { up.Add(1); return nil },
	})
	identify := middleware.New(middleware.Options{
		Codec: codec, Sessions: m, MaxHooks: 1 << 16,
		AcceptUnsigned: true, Validate: func(*http.Request, string) (string, error) { return "", nil },
	}).Guard
	live := transport.Handler(m, transport.Options{
		SSE: sse.Options{KeepHandler: os.Getenv("MIRAGE") == "plain"},
	})

	mux := http.NewServeMux()
	mux.Handle("/live", identify(live))

	ctx := context.Background()
	var ids [1 << 16]string // an application has the id at hand
	for n := range ids {
		ids[n] = "s" + strconv.Itoa(n)
	}
	control(mux, &up,
		func(payload []byte) { m.Broadcast(ctx, store.Message{Data: payload}) },
		func(n int, payload []byte) { m.Send(ctx, ids[n], store.Message{Data: payload}) })

	listener, err := net.Listen("tcp", "0.0.0.0:"+os.Getenv("PORT")) // all interfaces, as the peers do
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal((&http.Server{Handler: mux}).Serve(listener))
}
