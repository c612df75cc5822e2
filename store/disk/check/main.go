// Command check says what is in a directory of store/disk, and whether it is whole. It
// changes nothing. The directory may be in use, or a backup.
//
//	go run github.com/mirage-go/mirage/store/disk/check DIR
//
// Its exit status is 1 if the directory is damaged or cannot be read.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/mirage-go/mirage/store/disk"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check DIR")
		os.Exit(2)
	}
	r, err := disk.Check(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if !write(os.Stdout, r) {
		os.Exit(1)
	}
}

// write writes the report, and reports whether the directory is whole.
func write(w io.Writer, r disk.Report) bool {
	fmt.Fprintf(w, "sessions   %d, with %d messages\n", r.Sessions, r.Messages)
	fmt.Fprintf(w, "topics     %d, with %d messages\n", r.Topics, r.Published)
	fmt.Fprintf(w, "ids        %d that were moved or revoked\n", r.IDs)
	fmt.Fprintf(w, "files      %d, with %d bytes\n", r.Files, r.Bytes)

	switch {
	case r.Damage != nil:
		fmt.Fprintf(w, "DAMAGED    %v\n", r.Damage)
	case r.Files == 0:
		fmt.Fprintln(w, "empty      there is nothing in it")
	case r.Clean:
		fmt.Fprintln(w, "whole      the last process has closed it")
	case r.Continues:
		fmt.Fprintln(w, "whole      a process uses it, or was killed: the next one goes on")
	default:
		fmt.Fprintln(w, "readable   something may be missing at the end: the next process begins new epochs, "+
			"and clients are told that the server has restarted")
	}
	if r.Cut != "" {
		fmt.Fprintf(w, "cut off    %s\n", r.Cut)
	}
	return r.Damage == nil
}
