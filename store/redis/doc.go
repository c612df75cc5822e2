// Package redis keeps sessions in Redis, so that any request may land on any node. No
// sticky sessions are needed, and a node that dies takes no session with it. It is a
// store.Store on the caller's rueidis client.
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{
//		InitAddress: []string{"127.0.0.1:6379"},
//		// how soon a dead connection is given up
//		ConnWriteTimeout: 2 * time.Second,
//	})
//	kept := redis.New(client, redis.Options{})
//	defer kept.Close()
//	m := session.New(session.Options{Store: kept})
//
// Every step is one Lua script, which Redis runs as a whole. If the answer to a step is
// late, the Store repeats the step under the same number, and each number takes effect
// only once. If that does not help, the error is store.ErrUncertain.
//
// Appends that wait together share a script, and Redis publishes what they append to the
// nodes that have links of the session. A link reads from what its node has heard,
// without a question to Redis. Pub/sub is only a hint: whatever it loses is found within
// Options.SafetyRead. What links were sent and have acknowledged is told to Redis in
// groups, at most 50 ms late.
//
// All times are by Redis's clock: for retention, and to decide whether a value was signed
// before or after a revocation. Now returns a lower bound of Redis's time. Every answer
// to a step of an id improves it, and setting the node's own clock does not matter. In a
// Cluster the bound is that of the primary whose clock is furthest behind. A call that
// revokes waits until Now is later than its time stamp, so the primaries' clocks should
// agree to the millisecond. Redis's clock should be slewed, not set back. If it is set
// back, then until it has caught up, values signed before may outlive a revocation, and
// new values of an id that was revoked before are refused.
//
// Every entry of a log has a random tag (a nonce), which is part of the position (the
// offset) after it. A replica may take over without the last entries, and their numbers
// are then given out again. The tags differ, so a client that has the lost entries is
// told store.MissingDiverged, or store.MissingAhead, and does not miss the new ones in
// silence. If no client has seen the lost entries, nobody is told of the loss.
// min-replicas-to-write makes such a loss less likely.
//
// A node that watches a topic keeps a replica of what the topic retains, and reads it
// without Redis. A publish is one step, which publishes the message once, on the topic's
// channel; what pub/sub loses is read from Redis, with the next message or within
// Options.SafetyRead. If a replica of Redis takes over without the last messages of a
// topic, and a node has had them, the topic goes on under another epoch, and its readers
// are told store.MissingDiverged. Begin returns store.ErrBudget only if Redis is full.
//
// Package store explains epoch, turn and lease.
//
// # Requirements on Redis
//
// Redis must be version 6 or later. A Cluster needs Redis 7, for sharded pub/sub.
//
// maxmemory-policy must be noeviction: an evicted key is a gap in a log, or a session
// that is lost. appendonly must be yes for sessions to outlive Redis. Without it each
// client is told store.MissingRestarted once. New warns about both.
//
// The sessions of a Prefix are spread over 64 hash slots, evenly over a Cluster. Stores
// with different prefixes share nothing. Every operation is one atomic step except Move
// between ids of different slots: see its comment.
package redis
