package downstream

import (
	"net/http"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// Append appends the event blocks of b to dst. plain is set for a plain client.
func Append(dst []byte, b *session.Batch, plain bool) []byte {
	var suffix []byte // what a plain client has in topics
	if plain && len(b.Vector) > 0 {
		suffix = appendVector(nil, b.Vector)
	}
	if !b.Gap.IsZero() {
		after := store.Position{Epoch: b.Epoch, Seq: b.Gap.To, Tag: b.GapTag}
		dst = frame.AppendGap(dst, frame.RangeOf(b.Gap), after, string(store.MissingTrimmed), suffix)
	}
	dst = frame.AppendEntries(dst, b.Epoch, b.Entries, suffix)
	if len(b.Topics) > 0 {
		dst = appendTopics(dst, b, plain)
	}
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
		return frame.AppendEnd(dst, http.StatusGone, string(b.End), "the session was ended")
	case session.EndBarred:
		return frame.AppendEnd(dst, http.StatusGone, string(b.End), "the id was revoked")
	}
	return dst
}
