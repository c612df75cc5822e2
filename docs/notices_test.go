package docs

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What is linked has a row in THIRD_PARTY_NOTICES.md with its version, and nothing else has one.
func TestNotices(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}",
		"../client/js", "../cookie", "../middleware", "../miragetest", "../session", "../store/...", "../transport/...")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := slices.DeleteFunc(strings.Split(string(out), "\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
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
