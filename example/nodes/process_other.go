//go:build !unix

package main

import "os/exec"

func isolate(*exec.Cmd) {}
