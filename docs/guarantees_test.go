package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every clause has a row, and every test that a row names exists.
func TestGuarantees(t *testing.T) {
	text, err := os.ReadFile("guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\w+) \|.*\|$`).FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = true
	}
	for clause := range strings.FieldsSeq("I1 I2 I3 I4 I5 I6 I7 I8 I9 I10 I11 I12 I13 I14 I15 I16 I17 D1 D2 D3 D4 D5 D6 D7 D8 D9 U1 U2 U3 X1 X2 W1 W2 W3 W4 W5 W6 L1 L2 L3 L4 P") {
		if !rows[clause] {
			t.Errorf("no row for %s", clause)
		}
	}
	tests := declared(t)
	for _, m := range regexp.MustCompile("`(\\w+\\.(?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(text), -1) {
		if !tests[m[1]] {
			t.Errorf("%s does not exist", m[1])
		}
	}
}

// declared finds the tests of the tree, as package.Name.
func declared(t *testing.T) map[string]bool {
	tests := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(source), -1) {
			tests[filepath.Base(filepath.Dir(path))+"."+m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
