// Package session is the centre of Mirage: mailboxes that outlive connections.
//
// A session belongs to a mirage id and is one bounded log. [Manager.Send] numbers a
// message 1, 2, 3 … and keeps it; nobody is waited for. A client object (a page, a
// program) is a reader: it has a place in the log, and takes what follows through a link,
// one live transport attachment. Links break; the place stays. A reader that comes back
// names its [store.Position] and goes on there, on whatever transport.
//
// # What leaves the log, and when
//
// A write is not a delivery: a socket accepts megabytes that nobody reads. Only what a
// client says counts: an acknowledgement, or the position that it presents. The
// highest of these, over all readers of a session, is its mark. An entry leaves the
// log when every acknowledging reader has passed it. Plain readers (an EventSource,
// curl) acknowledge nothing; what they were sent stays for the retention, unless the
// room is needed.
//
// When room is needed, what everybody has passed leaves first; then what is kept only
// for readers without a link, provided another reader has one. Beyond that the log is
// full, and [store.Overflow] decides: Send returns [store.ErrFull], or the oldest
// entries leave. Whoever has not passed what left is told of the gap, with its exact
// range, before the next message, and so is the application (Options.OnGap). There is
// no silent hole.
//
// A session without links lives for the retention. Then it ends, and Options.OnEnd gets
// the messages above the mark: those that no reader ever had.
//
// # What comes up
//
// A writer numbers its messages, too, and repeats what it does not know to be accepted.
// [Manager.Receive] hands each to Options.OnMessage once and in order, however often it
// comes and by whatever request.
//
// # Parts
//
// A [Manager] is one process's part: links, callbacks, timers. A [store.Store] keeps the
// sessions: package store/memory in this process, store/redis on several. The package
// knows no HTTP; the transports are links' users: they call [Manager.Attach] and write
// what [Link.Take] gives whenever they are woken.
//
// # Writing a transport
//
// Applications use Options, Manager and Session. The rest is for transports, and stays
// exported for one of your own: those below package transport use nothing else.
//
//   - [Manager.Attach] begins a link for a client, and [Link.Hello] is what to tell it
//     first. [Attach] carries who asks and what it has.
//   - [Link.Take] fills a [Batch] whenever Attach.Wake was called; [Link.Next] waits for
//     that. Write the gap before the entries, and nothing after an [End]. [Link.Wrote]
//     counts for OnClose.
//   - [Link.Ack], or [Manager.Receive] with an [Upstream], passes on what the client
//     acknowledges. Receive also takes its messages, [Numbered], and its [Receipt] says
//     which of them the client need not keep.
//   - [Manager.Expect] and [Intake.Hold] come before the body of a request is read, so
//     that the bodies under way are bounded together.
//   - [Manager.Quit] is a client's goodbye.
//   - [Link.Close] is called once nothing takes from the link any more. A long-poll that
//     was answered calls [Link.Park] instead, and the next one attaches with
//     Attach.Number.
//
// Keep the bounds and ages in [Manager.Options]: LinkAge, WriteTimeout, MaxBody, MaxBatch
// and BodyTimeout. The example Transport is a whole one.
package session
