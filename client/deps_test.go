package client_test

import (
	"os/exec"
	"strings"
	"testing"
)

// C1: beside the standard library and packages of this module, the client links
// coder/websocket alone.
func TestC1Dependencies(t *testing.T) {
	const format = `{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}`
	out, err := exec.Command("go", "list", "-deps", "-f", format, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if path != "github.com/coder/websocket" {
			t.Errorf("the client links %s", path)
		}
	}
}
