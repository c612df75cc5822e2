package identitymodel

// rules are the parts of the design that the model can leave out, one by one.
type rules struct {
	// Handles: every step of a log is refused unless the log still has the id and the
	// number of moves under which the handle was opened.
	Handles bool
	// PublishMoves: what is published carries the log's number of moves, and a node
	// delivers it only to handles with the same number.
	PublishMoves bool
	// UniqueLinks: no two logs have a link number in common.
	UniqueLinks bool

	// StoreClock: times come from the Store, not from the clock of a node.
	StoreClock bool
	// SignCame: values are signed with the time at which the request came in.
	SignCame bool
	// OpenSigned: Open decides in its step whether the id was revoked since the value
	// that was presented was signed.
	OpenSigned bool
	// AttachSigned: a log keeps the time at which its id was last revoked, and Attach
	// refuses values signed before that.
	AttachSigned bool
	// ClaimCame: a log that moves takes its new id only if that id was not revoked since
	// the request came in.
	ClaimCame bool
	// RefuseRevoked: a Move whose new id was revoked since the request came in is
	// refused before it changes anything.
	// ClaimCame still decides if the Revoke comes in between.
	RefuseRevoked bool

	// RevokeInMove: Rotate's Move revokes the old id and fences it in its own steps.
	// Without this rule, Rotate calls Revoke after the Move.
	RevokeInMove bool
	// Fence: for the time T after a Move, the old id is told to come back soon.
	Fence bool
	// FencePerID: every id that has moved has a fence of its own. Without this rule, a
	// session has one, and its next Move takes it away from the id before.
	FencePerID bool
	// FenceByArrival: whether T has ended is decided by the time at which a request came
	// in, not by the time of the step.
	FenceByArrival bool
	// AttachCame: a log made under an id that has moved refuses, in Attach, the requests
	// that came in before T had ended.
	AttachCame bool

	// AckRenewed: an acknowledgement by a link that Renew has ended is refused.
	AckRenewed bool
	// BeginRenewed: Begin gets the link as well, and refuses it if Renew has ended it.
	BeginRenewed bool

	// AskedSilently: a client that asks for its value gets the one that it presented,
	// and no response of a link sets a cookie before the link is granted.
	AskedSilently bool
	// RoutesSilent: for T after a Move, a route of the application answers an old value
	// without a cookie.
	RoutesSilent bool
	// RoutesSilentRevoked: the same for T after a Revoke.
	RoutesSilentRevoked bool
}

// design returns the rules of the design, which are all rules.
func design() rules {
	return rules{
		Handles:             true,
		PublishMoves:        true,
		UniqueLinks:         true,
		StoreClock:          true,
		SignCame:            true,
		OpenSigned:          true,
		AttachSigned:        true,
		ClaimCame:           true,
		RefuseRevoked:       true,
		RevokeInMove:        true,
		Fence:               true,
		FencePerID:          true,
		FenceByArrival:      true,
		AttachCame:          true,
		AckRenewed:          true,
		BeginRenewed:        true,
		AskedSilently:       true,
		RoutesSilent:        true,
		RoutesSilentRevoked: true,
	}
}
