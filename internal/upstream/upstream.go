// Package upstream handles requests from clients: a POST sends messages and
// acknowledgements, and a DELETE says goodbye. A WebSocket frame has the same content as
// the body of a POST.
package upstream

import (
	"errors"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/mirage-go/mirage/internal/admission"
	"github.com/mirage-go/mirage/internal/answer"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// Handler returns the handler for every method except GET. The options of m bound the
// body of a request.
func Handler(m *session.Manager) http.Handler {
	h := &handler{m: m, o: m.Options()}
	return http.HandlerFunc(h.serve)
}

type handler struct {
	m        *session.Manager
	o        session.Options
	decoders sync.Pool
}

const methods = "GET, POST, DELETE, HEAD, OPTIONS"

// serve waits for the body with none of our other functions on the stack. A stack that
// has grown shrinks only when most of it is free, and thousands of requests may wait at
// once.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	p := h.begin(w, r)
	if p == nil {
		return
	}
	defer p.in.Close()
	if err := p.wait(); err != nil {
		refuseBody(w, r, err)
		return
	}
	p.take()
}

// begin returns the upload that a POST begins. It answers every other request itself and
// then returns nil.
func (h *handler) begin(w http.ResponseWriter, r *http.Request) *upload {
	refuse.NotUpgraded(w.Header(), r) // for any response
	if r.ContentLength != 0 {
		// The deadline also holds for net/http, which reads on after a refusal. net/http
		// resets it at the end of the body.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.o.BodyTimeout))
	}

	switch r.Method {
	case http.MethodPost, http.MethodDelete:
	case http.MethodOptions: // from our own origin: the middleware has answered the others
		w.Header().Set("Allow", methods)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodHead:
		answer.SetEventStream(w.Header())
		w.WriteHeader(http.StatusOK) // otherwise gin's NoRoute writes its own status
		return nil
	default:
		_, _ = middleware.Require(w, r) // removes the cookie that was due
		w.Header().Set("Allow", methods)
		refuse.Write(w, r, refuse.Refusal{
			Status: http.StatusMethodNotAllowed, Code: "method", Reason: "the methods here are " + methods,
		})
		return nil
	}

	id, ok := admission.Require(w, r, h.m)
	if !ok {
		return nil
	}

	if r.Method == http.MethodDelete {
		h.quit(w, r, id)
		return nil
	}
	return h.post(w, r, id)
}

// quit ends the reader (the subscriber) of the link token. A reader that does not exist
// was ended by an earlier try.
func (h *handler) quit(w http.ResponseWriter, r *http.Request, id middleware.Identity) {
	err := h.m.Quit(r.Context(), session.Quit{
		ID: id.ID, Link: store.LinkRef{Reader: id.Reader, Number: id.Link}, Value: id.Value,
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		answer.Refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// post returns the upload of a request, or answers with a refusal and returns nil.
func (h *handler) post(w http.ResponseWriter, r *http.Request, id middleware.Identity) *upload {
	if r.Header.Get("Content-Encoding") != "" {
		refuse.Write(w, r, refuse.Refusal{
			Status: http.StatusUnsupportedMediaType, Code: "encoding", Reason: "send the body without Content-Encoding",
		})
		return nil
	}

	batch := isBatch(r)
	if batch && id.Link == 0 {
		refuse.Write(w, r, refuse.Refusal{
			Status: http.StatusUnauthorized, Code: "token",
			Reason: "numbered messages need the link token of a hello in the header Mirage-Link: open a new link",
		})
		return nil
	}

	b, err := h.bodyOf(w, r)
	if err != nil {
		refuseBody(w, r, err)
		return nil
	}
	in, err := h.m.Expect(r.Context(), id.ID, id.Asked)
	if err != nil {
		answer.Refuse(w, r, err)
		return nil
	}

	return &upload{handler: h, w: w, r: r, id: id, in: in, batch: batch, body: b}
}

// upload is a request with messages or an acknowledgement.
type upload struct {
	*handler
	w     http.ResponseWriter
	r     *http.Request
	id    middleware.Identity
	in    *session.Intake
	batch bool
	body  body
	first []byte // of the body
}

// wait blocks until the body begins to arrive, or is known to be empty.
func (p *upload) wait() (err error) {
	p.first, err = p.body.first()
	return err
}

// take reads the body and answers the request.
func (p *upload) take() {
	w, r := p.w, p.r
	var d *decoder
	var memory []byte
	if p.batch {
		d = p.decoder()
		defer p.free(d)
		memory = d.body[:0]
	}

	text, err := p.body.readAll(p.in, append(memory, p.first...))
	if err != nil {
		refuseBody(w, r, err)
		return
	}

	up := session.Upstream{
		ID: p.id.ID, Asked: p.id.Asked, Value: p.id.Value,
		Link: store.LinkRef{Reader: p.id.Reader, Number: p.id.Link},
	}
	if p.batch {
		d.body = text
		err = d.parse(&up, p.o.MaxBatch)
	} else {
		up.Messages = []session.Numbered{{Message: store.Message{Data: text}}}
	}

	var got session.Receipt
	if err == nil {
		got, err = p.m.Receive(r.Context(), up)
	}

	switch no := refusal(err); {
	case err == nil:
		p.id.Grant(w)
		writeReceipt(w, got)
	case no.Status == http.StatusConflict:
		refuse.Conflict(w, no.Reason, got.Accepted+1)
	default:
		no.Retry = max(no.Retry, got.Retry)
		refuse.Write(w, r, no)
	}
}

func isBatch(r *http.Request) bool {
	t := r.Header.Get("Content-Type")
	if t == "text/event-stream" {
		return true
	}
	media, _, _ := mime.ParseMediaType(t)
	return media == "text/event-stream"
}

// writeReceipt writes which messages were accepted, and on which the application's
// handler failed.
func writeReceipt(w http.ResponseWriter, got session.Receipt) {
	body := append(appendReceipt(append(make([]byte, 0, 64), '{'), got), "}\n"...)
	h := w.Header()
	answer.SetJSON(h)
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(http.StatusOK)
	w.Write(body)
}
