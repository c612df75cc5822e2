//go:build ignore

// reasons.go prints the tables of docs/operations.md, section Reasons, as JSON, for the
// page of package inspect:
//
//	go run scripts/reasons.go < docs/operations.md > inspect/page/reasons.json
package main

import (
	"encoding/json"
	"io"
	"log"
	"os"
	"regexp"
	"strings"
)

// row says what a word means, and what to do.
type row struct {
	Means string `json:"means"`
	Do    string `json:"do"`
}

// groups are the names in JSON of the sections, by how their titles begin.
var groups = []struct{ title, name string }{
	{"Why a position", "positions"},
	{"Why a link", "ends"},
	{"Why a request", "refusals"},
	{"What became of a request", "requests"},
	{"What became of a message", "messages"},
}

var (
	code   = regexp.MustCompile("`([a-z-]+)`")
	link   = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)
	markup = strings.NewReplacer("`", "", " ◆", "", "**", "")
)

func main() {
	page, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	_, text, ok := strings.Cut(string(page), "\n## Reasons\n")
	if !ok {
		log.Fatal("the page has no section Reasons")
	}
	text, _, _ = strings.Cut(text, "\n## ")

	all := make(map[string]map[string]row)
	group := ""
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "### "); ok {
			for _, g := range groups {
				if strings.HasPrefix(title, g.title) {
					group = g.name
					all[group] = make(map[string]row)
				}
			}
		}
		cells := strings.Split(line, " | ")
		if len(cells) != 3 {
			continue
		}
		for _, word := range code.FindAllStringSubmatch(cells[0], -1) {
			all[group][word[1]] = row{plain(cells[1]), plain(strings.TrimSuffix(strings.TrimSpace(cells[2]), "|"))}
		}
	}

	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	out.SetEscapeHTML(false)
	if err := out.Encode(all); err != nil {
		log.Fatal(err)
	}
}

// plain returns the text of Markdown.
func plain(s string) string {
	return strings.TrimSpace(markup.Replace(link.ReplaceAllString(s, "$1")))
}
