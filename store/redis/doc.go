// Package redis keeps sessions in Redis, so that any request may land on any node: no
// sticky sessions, and a node that dies takes nothing with it. It is a store.Store on the
// caller's rueidis client.
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{
//		InitAddress: []string{"127.0.0.1:6379"},
//		// how soon a connection that has gone dead is given up
//		ConnWriteTimeout: 2 * time.Second,
//	})
//	kept := redis.New(client, redis.Options{})
//	defer kept.Close()
//	m := session.New(session.Options{Store: kept})
//
// Every step is one Lua script, which Redis runs as a whole. A step whose answer is late
// is asked again under its number, and takes place once; where that does not help, the
// error is store.ErrUncertain. Pub/sub only wakes: what it loses is found within
// Options.SafetyRead.
//
// Time is that of Redis: for retention, and for what tells a value that was revoked from
// a later one. Now is a lower bound of it, which every answer to a step of an id makes
// better, and needs no clock of the node. In a Cluster it is the time of the primary that
// is furthest behind; a call that revokes waits until Now is later than its stamp, so
// that primaries should agree to the millisecond. Redis's clock should be slewed, not set
// back: until it has caught up, what was signed before may outlive a revocation, and what
// is signed then under an id that was revoked before does not count.
//
// Every entry has a random tag, which is part of the position after it. When a replica
// takes over that had not seen the last entries, their numbers are given again; the tags
// differ, and a client that has the lost ones is told store.MissingDiverged, or
// store.MissingAhead, instead of missing the new ones in silence. What no client had seen
// yet is lost without a trace then: see min-replicas-to-write.
//
// # What Redis must be
//
// Redis 6 or later; Redis 7 in a Cluster, for sharded pub/sub. maxmemory-policy must be
// noeviction: what is evicted is a gap, or a session that never was. appendonly must be
// yes for sessions to outlive Redis; without it each client is told
// store.MissingRestarted once. New warns about both. The sessions of a Prefix are spread
// over 64 hash slots, evenly over a Cluster; Stores of different prefixes share nothing.
// Only Move, between ids of different slots, is not one atomic step: see its comment.
package redis
