package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// A workLog is a file with the jobs that this worker has done, also before it was killed.
// (A real one forgets what is older than a few leases.)
type workLog struct {
	file    *os.File
	answers map[int]string
}

type entry struct {
	Job    int       `json:"job"`
	Again  bool      `json:"again"`
	Answer string    `json:"answer"`
	At     time.Time `json:"at"`
}

func openLog(name string) (*workLog, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	log := &workLog{file: file, answers: map[int]string{}}
	whole := int64(0)
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // half a line is that of a worker that was killed: the next one begins there
			return log, file.Truncate(whole)
		}
		if err != nil {
			return nil, err
		}
		whole += int64(len(line))
		var e entry
		if json.Unmarshal(line, &e) == nil {
			log.answers[e.Job] = e.Answer
		}
	}
}

// add records what was done, in one write: a killed worker has done it, or not.
func (l *workLog) add(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return err
	}
	l.answers[e.Job] = e.Answer
	return nil
}
