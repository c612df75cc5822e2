package downstream

import (
	"net/http"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// Append appends the event blocks of b to dst. plain is set for a plain client.
func Append(dst []byte, b *session.Batch, plain bool) []byte {
	if b.Gap != (store.Lost{}) {
		after := store.Position{Epoch: b.Epoch, Seq: b.Gap.To, Tag: b.GapTag}
		dst = frame.AppendGap(dst, frame.Range(b.Gap), after, string(store.MissingTrimmed))
	}
	dst = frame.AppendEntries(dst, b.Epoch, b.Entries)
	switch {
	case b.Beat && plain:
		dst = frame.AppendBeat(dst)
	case (b.Beat || b.Accepted > 0) && !plain:
		dst = frame.AppendAck(dst, b.Accepted)
	}
	return appendEnd(dst, b, plain)
}

// appendEnd appends the block that tells the client that the link has ended.
func appendEnd(dst []byte, b *session.Batch, plain bool) []byte {
	switch b.End {
	case session.EndAged, session.EndRenewed, session.EndMoved, session.EndDrained, session.EndCrowded:
		if plain && b.Retry > 0 {
			return frame.AppendRetry(dst, b.Retry)
		}
		if !plain {
			return frame.AppendDrain(dst, b.Retry)
		}
	case session.EndOver:
		return frame.AppendEnd(dst, http.StatusGone, "the session was ended")
	case session.EndBarred:
		return frame.AppendEnd(dst, http.StatusGone, "the id was revoked")
	}
	return dst
}
