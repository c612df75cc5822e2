package inspect

import (
	"context"
	"net/http"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/session"
)

// act does something to a session, if Options.AllowActions lets it.
func (h *handler) act(w http.ResponseWriter, r *http.Request) {
	if !h.o.AllowActions {
		refuse(w, http.StatusForbidden, "this page may only read: set inspect.Options.AllowActions to let it act")
		return
	}
	var body struct {
		Event string `json:"event"`
		Text  string `json:"text"`
	}
	if !readJSON(w, r, &body) {
		return
	}
	id, ok := h.find(r, r.PathValue("key"))
	if !ok {
		refuse(w, http.StatusNotFound, "no session of this name")
		return
	}

	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	var err error
	switch m := h.live.Sessions(); r.PathValue("action") {
	case "end":
		err = m.End(ctx, id)
	case "revoke":
		err = m.Revoke(ctx, id)
	case "revalidate":
		err = m.Revalidate(ctx, id)
	case "send":
		msg := mirage.Text(body.Text)
		msg.Event = body.Event
		_, err = m.Send(ctx, id, msg)
	default:
		refuse(w, http.StatusNotFound, "the actions are end, revoke, revalidate and send")
		return
	}
	if err != nil {
		refuse(w, http.StatusConflict, "it was refused: "+session.Reason(err))
		return
	}
	answer(w, map[string]bool{"done": true})
}
