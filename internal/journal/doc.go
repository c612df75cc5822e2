// Package journal keeps records in a directory, so that a killed process loses none of
// them and a power loss at most the last moments.
//
// The records are bytes that only their owner understands. [Journal.Append] writes one
// record; [Open] reads all of them again, in the same order. The journal knows which
// records may be missing after a crash ([Recovery]), and says so before anyone continues
// to number things.
//
// # Files
//
// The directory has the file lock, which is never deleted, and segments, which are named
// by their numbers. A segment begins with a header of one page, and then has frames: a
// frame is a record with its sequence number and checksums. Segments are allocated in
// full before they are used, so that writing into them needs no room on the disk: one is
// being written, the next one is prepared, and another one is in reserve.
//
// The headers link each segment to the segment before it and to the offset at which that
// one ends, so what has been cut off once is never looked at again. Each segment's header
// also has a state, which is written in place each second: the time, the sequence number
// below which everything is known to be on the disk (the watermark), the oldest segment
// that counts, and whether the journal is behind. The state of the last segment is in
// force.
//
// # A journal that is behind
//
// A journal is behind if records are missing that its owner believes to be written: there
// was no room even in the reserve, the disk reported an error, or [Open] found that the
// end is missing. It is marked so on the disk. Its owner appends everything again,
// beginning in the segment that [Journal.Current] returns then, and calls
// [Journal.Recovered].
package journal
