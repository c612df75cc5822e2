//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// isolate keeps a Ctrl-C in the terminal from the process: keep ends it in its turn.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
