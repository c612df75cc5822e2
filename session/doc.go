// Package session is the core of Mirage: sessions that outlive their clients'
// connections.
//
// A session belongs to a mirage id, and is one bounded log of messages. [Manager.Send]
// appends a message, numbers it 1, 2, 3 …, and does not wait for any client. The terms of
// this package, with their common names:
//
//   - A reader (a subscriber or consumer) is a client object: a page or a program. It has
//     a place in the log.
//   - A link (a connection) is one live transport attachment of a reader. Links break,
//     but the reader's place stays.
//   - A position (an offset or cursor) names a place in a log. A reader that comes back
//     presents its [store.Position] and continues there, on any transport.
//   - The mark (a high-water mark) is the highest position that any reader of the session
//     has acknowledged or presented.
//   - A gap (a data loss notice) tells a reader which messages it will never get.
//   - The hello (a handshake) is the first event of a link.
//   - A plain client, such as an EventSource or curl, does not use mirage.js or its
//     protocol: it sends no _cid and acknowledges nothing. Only the position that it
//     presents tells what it has. Its reader is a plain reader.
//   - A writer (a producer) is a client object that numbers the messages it sends
//     upstream (from the client to the server).
//   - A turn (a lock) lets one request of a writer be handled at a time. If its node
//     dies, the turn expires after its lease, 30 seconds.
//   - A node is one process with a Manager.
//   - A reader is stalled if it has taken nothing for three seconds although there was
//     something. It is live if it has a link and is not stalled. It is here from OnAttach
//     until OnDetach.
//   - The hooks are Generate and Validate of package middleware.
//
// Package store explains the epoch of a log.
//
// # When messages leave the log
//
// A write is not a delivery: a socket accepts megabytes that nobody reads. Only what a
// client acknowledges, or the position that it presents, counts as delivered. An entry
// leaves the log once every acknowledging reader has passed it. For plain readers, an
// entry that was sent to them stays for the retention, unless its room is needed.
//
// When room is needed, the entries that every reader has passed leave first. Next are
// those that are kept only for readers without a link, or for stalled ones, provided
// another reader is live. Beyond that the log is full, and [store.Overflow] decides: Send
// returns [store.ErrFull], or the oldest entries leave. A reader that has not passed the
// entries that left is told of the gap, with its exact range, before its next message.
// The application is told, too (Options.OnGap). No message is lost silently.
//
// A session without links lives for the retention. Then it ends, and Options.OnEnd gets
// the messages above the mark, which no reader ever had.
//
// # Upstream messages
//
// A writer numbers its messages, and resends those that it does not know to be accepted.
// [Manager.Receive] hands each one to Options.OnMessage once and in order, however often
// and by whichever requests it arrives.
//
// # Parts
//
// A [Manager] is one process's part: links, callbacks and timers. A [store.Store] keeps
// the sessions: package store/memory for one process, store/redis for several. This
// package does not know HTTP. The transports use links: they call [Manager.Attach], and
// write what [Link.Take] returns whenever they are woken.
//
// # Writing a transport
//
// Applications use Options, Manager and Session. The rest is for transports. It is
// exported so that you can write your own: the packages below transport use nothing else.
//
//   - [Manager.Attach] begins a link for a client. [Attach] describes the client and its
//     position. [Link.Hello] holds the content of the first event.
//   - Call [Link.Take] whenever Attach.Wake was called: it fills a [Batch]. [Link.Next]
//     waits and takes. Write the gap before the entries, and nothing after an [End].
//     [Link.Wrote] counts the bytes for OnClose.
//   - [Link.Ack], or [Manager.Receive] with an [Upstream], passes on what the client
//     acknowledges. Receive also takes its messages ([Numbered]), and returns in a
//     [Receipt] which of them the client need not keep.
//   - Call [Manager.Expect] and [Intake.Hold] before the body of a request is read. They
//     bound the bytes that all such bodies hold together.
//   - Call [Manager.Quit] when a client says goodbye.
//   - Call [Link.Close] once nothing takes from the link any more. After the response to
//     a long-poll, call [Link.Park] instead. The next poll attaches with Attach.Number.
//
// Enforce these bounds of [Manager.Options]: LinkAge, WriteTimeout, MaxBody, MaxBatch and
// BodyTimeout. The example Transport is a complete transport.
package session
