package identitymodel

// An id is one of the identities in a world.
type id int8

const (
	noID    id = iota
	idX        // the id before the first log-in; the attacker holds values and a link of it
	idY        // the id after the first log-in
	idZ        // the id after the second log-in, where there is one
	idOther    // a new id that nobody else has: of a stranger, or of the attacker's own account
	idCount
)

func (i id) String() string { return [...]string{"no id", "x", "y", "z", "another id"}[i] }

// An instant is a time on the Store's clock. Each Revoke and each Move takes the current
// instant, and advances the clock by one.
type instant int8

const lastInstant instant = 7

// A value is the content of a cookie: an id and the time when it was signed.
type value struct {
	id     id
	signed instant
}

// values is a set of values.
type values uint64

func (v values) has(x value) bool { return v&setOf(x) != 0 }

func setOf(x value) values { return 1 << (uint(x.id)*uint(lastInstant+1) + uint(x.signed)) }

// A handle is what a node knows of a log: its number, and how often it had moved. The id
// under which it was opened is stored beside it. The zero handle means no log.
type handle struct{ log, moves int8 }

// A logState is a state of a log.
//
//	free ──Open──▶ live ──Revoke, or a claim that is refused──▶ revoked
//	                 └──a Move to an id that has a session──▶ joined
type logState int8

const (
	logFree logState = iota
	logLive
	logRevoked
	logJoined
)

// A movePhase is the progress of a log's Move in a store where it takes several steps.
//
//	settled ──begin──▶ begun ──leave──▶ left ──claim──▶ claimed ──done──▶ settled
type movePhase int8

const (
	moveSettled movePhase = iota
	moveBegun             // the log has its new id; handles of the old one are refused
	moveLeft              // the old id is fenced, and its directory entry is gone
	moveClaimed           // the new id's directory entry is there
)

// A sessionLog is the log of a session.
type sessionLog struct {
	state   logState
	id      id
	moves   int8
	revoked instant // when its id was last revoked

	// Of the Move under way:
	phase  movePhase
	from   id
	came   instant // when the request came in
	rotate bool

	afterMove bool // made under an id that had moved away
	secondly  bool // made when its owner logged in again after a Revoke
}

// A linkState is a state of a link.
type linkState int8

const (
	linkNone linkState = iota
	linkLive
	linkRenewed // ended by Renew
	linkMoved   // ended by a Move
)

// A link is what the holder of its token knows of it.
type link struct {
	handle
	id    id
	state linkState
}

// A step is the progress of a request. Each kind of request has its own steps.
type step int8

// A request is one HTTP request on its way through a node.
type request struct {
	step step
	node int8
	value
	came   instant // when the node first looked at it
	late   bool    // it came in after T
	handle handle
}

// A tab is an honest page with its one link.
type tab struct {
	request
	link   link
	cookie value // a cookie that is on its way to the jar
}

// A routeRequest is an honest page's request to a route of the application.
type routeRequest struct {
	request
	cookie value // as in tab
}

const (
	maxLogs      = 5 // including log 0, which means no log
	maxAttackers = 2
	maxTabs      = 2
	nodes        = 2
)

// A state is everything that can differ between two moments of a world. States are
// compared byte for byte, so there are no pointers in it.
type state struct {
	fault fault // the fault that has happened

	// The Store.
	now     instant
	dir     [idCount]handle // where the log of each id is
	logs    [maxLogs]sessionLog
	revoked [idCount]instant // when an id was last revoked
	fence   [idCount]instant // when an id moved away
	tOver   [idCount]bool    // whether T has ended since

	// The nodes' caches of handles. They are never evicted: that is the worst case.
	caches [nodes][idCount]handle

	// The attacker: its requests, each with its latest link, and all values that it was
	// ever given.
	attacks     [maxAttackers]request
	attackLinks [maxAttackers]link
	stolen      values

	// The log-in: its number among the world's log-ins, its progress, and the cookie in
	// its response.
	stage      int8
	login      request
	cookie     value
	unheeded   bool // its Move began although the new id had been revoked since it came in
	tookAlong  bool // its Move took the session with it
	moved      id   // the last id whose Move was acknowledged
	answerGone bool // a response of it was lost

	// The operator: its task, its progress, and the handle that it works on.
	task, phase  int8
	taskHandle   handle
	backAt       instant // when the user logged in again
	revokeAcked  [idCount]bool
	renewalAcked bool

	// The honest browser.
	jar       value
	loggedOut bool
	tabs      [maxTabs]tab
	route     routeRequest
}
