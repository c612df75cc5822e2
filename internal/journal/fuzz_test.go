package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"runtime"
	"testing"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/internal/journal/faultfs"
)

// Whatever the segments contain, Open does not panic, calls apply only with records that
// have a right checksum, and allocates little more than the files have. With Repair it
// opens everything except another version.
func FuzzOpen(f *testing.F) {
	for _, disk := range []*faultfs.Disk{fuzzSeed(f, false), fuzzSeed(f, true)} {
		first, second := pack(disk.Read(fileName(1))), pack(disk.Read(fileName(2)))
		f.Add(first, second, false)
		f.Add(first, []byte{}, true)
		f.Add(second, first, true)
		f.Add(first[:1100], second[:1100], true)
	}
	f.Fuzz(func(t *testing.T, first, second []byte, fix bool) {
		disk := faultfs.New(1)
		first, second = unpack(first), unpack(second)
		if fix {
			fixHeader(first)
			fixHeader(second)
		}
		if err := disk.Process().MakeDir(onDisk); err != nil {
			t.Fatal(err)
		}
		disk.Write(fileName(1), first)
		disk.Write(fileName(2), second)

		for _, repair := range []bool{false, true} {
			fuzzOpen(t, disk.Clone(1), repair, first, second)
		}
	})
}

func fuzzOpen(t *testing.T, disk *faultfs.Disk, repair bool, files ...[]byte) {
	size := len(files[0]) + len(files[1])
	o := journal.Options{FS: disk.Process(), Segment: 1, Repair: repair, Logger: quiet, Wait: -1}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	j, _, err := journal.Open(onDisk, o, func(record []byte) error {
		if !hasFrame(record, files[0]) && !hasFrame(record, files[1]) {
			t.Errorf("%q has no frame with a right checksum", record)
		}
		return nil
	})
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > uint64(16*size+8<<20) {
		t.Errorf("%d bytes allocated for files of %d bytes", used, size)
	}

	_, version := errors.AsType[*journal.VersionError](err)
	_, damage := errors.AsType[*journal.DamageError](err)
	switch {
	case err == nil:
		j.Abandon()
	case repair && !version || !version && !damage:
		t.Errorf("repair %v: %v", repair, err)
	}
}

// hasFrame reports whether a file has a record in a frame whose checksums are right. It
// is another implementation than the one that is tested.
func hasFrame(record, file []byte) bool {
	if len(file) < 32 {
		return false
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	seed := crc32.Checksum(file[16:32], table)
	for at := 4096; ; at++ {
		found := bytes.Index(file[min(at, len(file)):], record)
		if found < 0 {
			return false
		}
		at += found
		end := at + len(record)
		if at < 4096+16 || end+4 > len(file) {
			continue
		}
		head := crc32.Update(seed, table, file[at-12:at])
		le := binary.LittleEndian
		if le.Uint32(file[at-16:]) == head && int(le.Uint32(file[at-12:])) == len(record) &&
			le.Uint32(file[end:])^head == crc32.Update(seed, table, record) {
			return true
		}
	}
}

// What of the first page is used, and the page.
const fuzzHead, fuzzPage = 1080, 4096

// pack leaves out the zeros behind the header and at the end.
func pack(file []byte) []byte {
	return append(bytes.Clone(file[:fuzzHead]), bytes.TrimRight(file[fuzzPage:], "\x00")...)
}

// unpack puts zeros behind the header, and some at the end.
func unpack(packed []byte) []byte {
	if len(packed) < fuzzHead {
		return packed
	}
	file := append(bytes.Clone(packed[:fuzzHead]), make([]byte, fuzzPage-fuzzHead)...)
	return append(append(file, packed[fuzzHead:]...), make([]byte, 100)...)
}

// fixHeader gives a header the right checksum.
func fixHeader(file []byte) {
	if len(file) >= 136 {
		sum := crc32.Checksum(file[:132], crc32.MakeTable(crc32.Castagnoli))
		binary.LittleEndian.PutUint32(file[132:], sum)
	}
}

// fuzzSeed returns a disk with a journal of two segments.
func fuzzSeed(f *testing.F, closed bool) *faultfs.Disk {
	disk := faultfs.New(1)
	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet}
	for range 2 {
		j, _, _ := open(f, onDisk, o)
		add(f, j, "one", "two", "three")
		if closed {
			if err := j.Close(); err != nil {
				f.Fatal(err)
			}
		}
		j.Abandon()
	}
	return disk
}
