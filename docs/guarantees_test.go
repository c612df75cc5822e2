package docs

import (
	"go/scanner"
	gotoken "go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// clauses are those in force. None may be missing from the page.
const clauses = "I1 I2 I3 I4 I5 I6 I7 I8 I9 I10 I11 I12 I13 I14 I15 I16 I17 D1 D2 D3 D4 D5 D6 D7 D8 D9 " +
	"U1 U2 U3 R1 R2 R3 R4 X1 X2 W1 W2 W3 W4 W5 W6 L1 L2 L3 L4 P1 C1 C2 O1 O2 O3 O4 O6 H1 H2 H4 J1 J2 J4 J7"

// Every clause has one section, which states it and names tests, and every test that the
// page names exists.
func TestGuarantees(t *testing.T) {
	page := readPage(t)
	all := sections(page)
	for clause := range strings.FieldsSeq(clauses) {
		if all[clause] == "" {
			t.Errorf("no section %s", clause)
		}
	}
	for clause, text := range all {
		switch statement, tests, ok := strings.Cut(text, "\nTests: "); {
		case strings.Count(page, "\n### "+clause+"\n") != 1:
			t.Errorf("%s has several sections", clause)
		case !ok || !testName.MatchString(tests):
			t.Errorf("%s names no tests", clause)
		case !strings.HasPrefix(strings.TrimSpace(statement), "**"):
			t.Errorf("%s is not stated: begin with its name in bold letters", clause)
		}
	}

	tests := declared(t)
	for _, m := range testName.FindAllStringSubmatch(page, -1) {
		if !tests[m[1]] {
			t.Errorf("%s does not exist", m[1])
		}
	}
}

// Every clause that comments, tests and sub-tests of the repository cite has a section.
func TestCitations(t *testing.T) {
	all := sections(readPage(t))
	walk(t, func(path, source string) {
		for _, clause := range cited(path, source) {
			if all[clause] == "" {
				t.Errorf("%s cites %s, which has no section in docs/guarantees.md", path, clause)
			}
		}
	})
}

// TestCited checks which texts count as a citation.
func TestCited(t *testing.T) {
	for _, tt := range []struct{ path, source, want string }{
		{"a.go", "package a // Renew (I7): as D5's order says, L4.", "I7 D5 L4"},
		{"a.go", "package a /* U1, U2: X11 */", "U1 U2 X11"},
		{"a.go", "package a\nvar D9 = `I3`", "I3"},
		{"a.go", `package a; var _ = "D1–D9, U1 store and model agree"`, "D1 D9 U1"},
		{"a.go", `package a; var _ = "U2: an answer"`, "U2"},
		{"a.go", `package a; var _ = "L2 cache"`, "L2"},
		{"a.go", `package a; var _ = "the I3 hook"`, ""},
		{"a_test.go", "package a\nfunc TestI17Names() {}\nfunc FuzzW4() {}", "I17 W4"},
		{"a_test.go", "package a\nfunc TestW3CDocument() {}\nfunc TestI2C() {}", "W3 I2"},
		{"a.go", "package a // U+2028, SHA256, P256, 2D5, D5a, L", ""},
		{"a.go", "package a // §6: W3. WHATWG HTML §9.2.6, RFC 6265 §8.5", "§6 W3"},
		{"a.lua", "-- Leave (D7): one caller\nlocal D1 = 2", "D7 D1"},
		{"a.test.js", "test('W1, W4: ' + name, () => {})", "W1 W4"},
	} {
		if got := strings.Join(cited(tt.path, tt.source), " "); got != tt.want {
			t.Errorf("%s: %s: cites %q, want %q", tt.path, tt.source, got, tt.want)
		}
	}
}

var (
	heading  = regexp.MustCompile(`(?m)^### (\w+)$`)
	testName = regexp.MustCompile("`(\\w+\\.(?:Test|Fuzz)\\w+)`")

	// clause matches a clause, or a section (§). The name of the document that a section
	// is from stands before it, with a space: see cites.
	clause = regexp.MustCompile(`\b[A-Z][0-9]{1,2}\b|(?:HTML |\b[0-9]+ )?§[0-9]+`)
	named  = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark)([A-Z][0-9]{1,2})(?:\W|[A-Z]|$)`)
	// head matches the clauses at the beginning of a sub-test's name.
	head = regexp.MustCompile("^[\"`]((?:[A-Z][0-9]{1,2}(?:, |–)?)+)(?:[ :]|[\"`]$)")
)

func readPage(t *testing.T) string {
	text, err := os.ReadFile("guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sections returns the text under the heading of each clause.
func sections(page string) map[string]string {
	all := make(map[string]string)
	for _, m := range heading.FindAllStringSubmatchIndex(page, -1) {
		text := page[m[1]:]
		if next := strings.Index(text, "\n#"); next >= 0 {
			text = text[:next]
		}
		all[page[m[2]:m[3]]] = text
	}
	return all
}

// cited returns the clauses that a file cites. In Go these are the ones in comments, in
// the names of tests, and at the beginning of strings, which name sub-tests. In other
// languages it is everything that looks like one.
func cited(path, source string) (all []string) {
	if filepath.Ext(path) != ".go" {
		return cites(source)
	}
	var s scanner.Scanner
	files := gotoken.NewFileSet()
	s.Init(files.AddFile(path, -1, len(source)), []byte(source), nil, scanner.ScanComments)
	for {
		switch _, tok, text := s.Scan(); tok {
		case gotoken.EOF:
			return all
		case gotoken.COMMENT:
			all = append(all, cites(text)...)
		case gotoken.STRING:
			if m := head.FindStringSubmatch(text); m != nil {
				all = append(all, cites(m[1])...)
			}
		case gotoken.IDENT:
			if m := named.FindStringSubmatch(text); m != nil {
				all = append(all, m[1])
			}
		}
	}
}

// cites returns everything in a text that looks like the number of a clause. A section
// without a named document counts too, and is never on the page.
func cites(text string) []string {
	return slices.DeleteFunc(clause.FindAllString(text, -1), func(s string) bool { return strings.Contains(s, " ") })
}

// languages are the extensions of the files that may cite clauses.
var languages = []string{".go", ".js", ".mjs", ".ts", ".lua", ".sh", ".html", ".css"}

// walk calls f with every source file of the repository that was written by hand. It
// skips minified scripts and files that tools have fetched.
func walk(t *testing.T, f func(path, source string)) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == "node_modules" || name == "testdata" || len(name) > 2 && name[0] == '.'):
			return filepath.SkipDir
		case d.IsDir(), strings.HasSuffix(name, ".min.js"), !slices.Contains(languages, filepath.Ext(name)):
			return nil
		}
		source, err := os.ReadFile(path)
		f(path, string(source))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// declared returns the tests of the tree, as package.Name.
func declared(t *testing.T) map[string]bool {
	tests := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	walk(t, func(path, source string) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, m := range function.FindAllStringSubmatch(source, -1) {
			room := filepath.Base(filepath.Dir(path))
			if room == ".." {
				room = "mirage"
			}
			tests[room+"."+m[1]] = true
		}
	})
	return tests
}
