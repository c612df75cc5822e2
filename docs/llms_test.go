package docs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// llms.txt is what the sources say now, what it links exists, and it stays short.
func TestLLMs(t *testing.T) {
	const root = ".."
	programs, err := filepath.Glob(filepath.Join(root, "scripts", "llms*.go"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"run"}
	for _, path := range programs {
		args = append(args, strings.TrimPrefix(filepath.ToSlash(path), root+"/"))
	}

	var out, errors bytes.Buffer
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &out, &errors
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errors.String())
	}
	current := out.String()
	if current != read(t, "llms.txt") {
		t.Error("docs/llms.txt is not current: run make llms")
	}
	if len(current) > 112<<10 {
		t.Errorf("docs/llms.txt has %d bytes, at most 112 KiB", len(current))
	}

	for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(current, ""), -1) {
		path, anchor, _ := strings.Cut(m[1], "#")
		if _, err := os.Stat(path); err != nil {
			t.Errorf("it links %s, which does not exist", m[1])
		} else if anchor != "" && !anchors(read(t, path))[anchor] {
			t.Errorf("it links %s, and there is no such heading", m[1])
		}
	}
}
