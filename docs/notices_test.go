package docs

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// THIRD_PARTY_NOTICES.md has a row for each linked module, with its version, and for no
// other.
func TestNotices(t *testing.T) {
	const format = "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}"
	list := exec.Command("go", "list", "-deps", "-f", format,
		"../client", "../client/js", "../cookie", "../middleware", "../miragetest",
		"../session", "../store/...", "../transport/...")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Split(strings.TrimSpace(string(out)), "\n")
	linked = slices.DeleteFunc(linked, func(line string) bool { return line == "" }) // our own packages
	slices.Sort(linked)
	linked = slices.Compact(linked)

	text, err := os.ReadFile("../THIRD_PARTY_NOTICES.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\S+) \| (v\d\S*) \|`).FindAllStringSubmatch(string(text), -1) {
		told = append(told, m[1]+" "+m[2])
	}
	slices.Sort(told)
	if !slices.Equal(linked, told) {
		t.Errorf("linked are\n%s\nbut the notices have\n%s", strings.Join(linked, "\n"), strings.Join(told, "\n"))
	}
}
