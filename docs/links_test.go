package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// title is a heading outside code. The lines of console blocks may begin with "# ",
	// too.
	title = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	code  = regexp.MustCompile("(?ms)^```.*?^```$")
)

// words are the terms of Mirage that have their own section in the glossary.
const words = "mirage-id session reader writer link position mark gap hello drain plain-client " +
	"epoch tag turn lease heartbeat intake retention node link-token hook " +
	"topic member presence retained caught-up component growing-message key ttl"

// The glossary has every word, with its common names beside it.
func TestGlossary(t *testing.T) {
	page := read(t, "glossary.md")
	known := anchors(page)
	for word := range strings.FieldsSeq(words) {
		if !known[word] {
			t.Errorf("the glossary lacks %s", word)
		}
	}
	for _, section := range strings.Split(page, "\n### ")[1:] {
		if !strings.Contains(section, "\n*Also called: ") {
			name, _, _ := strings.Cut(section, "\n")
			t.Errorf("%s: its common names are missing", name)
		}
	}
}

// Every glossary anchor that a page of the repository links to exists. In the README and
// the glossary, all links within the repository work.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}

	for _, page := range append(pages, more...) {
		whole := page == "../README.md" || page == "glossary.md"
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(read(t, page), ""), -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, ":") || !whole && filepath.Base(path) != "glossary.md" {
				continue
			}
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links %s, which does not exist", page, m[1])
			} else if anchor != "" && !anchors(read(t, target))[anchor] {
				t.Errorf("%s links %s, and there is no such heading", page, m[1])
			}
		}
	}
}

// anchors returns the anchors that GitHub gives to the headings of a page.
func anchors(page string) map[string]bool {
	all := make(map[string]bool)
	for _, m := range title.FindAllStringSubmatch(code.ReplaceAllString(page, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', r >= '0' && r <= '9', r >= 'a' && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		all[name] = true
	}
	return all
}
