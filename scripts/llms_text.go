//go:build ignore

package main

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	// fallback is a sentence about what the zero value means.
	fallback    = regexp.MustCompile(`^(A )?(Zero|Nil|Empty|Negative|negative|Default)\b`)
	sentenceEnd = regexp.MustCompile(`[.!?][)"'*]* [A-Z0-9"(\x60*]`)
	pause       = regexp.MustCompile(`^.{24,}?[:;] `)

	heading = regexp.MustCompile("(?m)^### `")
	link    = regexp.MustCompile(`\[([^\]]+)\]\([^)]*\)`)

	jsdoc     = regexp.MustCompile(`(?s)[ \t]*/\*\*.*?\*/\n`)
	defaultOf = regexp.MustCompile(`Default(?s:.+?)\.\s`)
	blank     = regexp.MustCompile(`\n(?:[ \t]*\n)+`)
)

// brief returns the first sentence, and those about zero values. With cut, the first one
// ends at its first colon or semicolon, unless that comes very early.
func brief(text string, cut bool) string {
	var out []string
	for i, sentence := range sentences(text) {
		if i == 0 && cut {
			if at := pause.FindStringIndex(sentence); at != nil {
				sentence = sentence[:at[1]-2] + "."
			}
		}
		if i == 0 || fallback.MatchString(sentence) {
			out = append(out, sentence)
		}
	}
	return strings.Join(out, " ")
}

// sentences end in a full stop, and the next one does not begin in lower case.
func sentences(text string) []string {
	var out []string
	for {
		at := sentenceEnd.FindStringIndex(text)
		if at == nil {
			break
		}
		end := at[1] - 2 // before the space and the next letter
		out, text = append(out, text[:end]), text[end+1:]
	}
	if text = strings.TrimSuffix(text, ":"); text != "" {
		out = append(out, text)
	}
	return out
}

// plain is a paragraph of Markdown on one line, without links and bold type.
func plain(text string) string {
	text = strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "**", "")
	text = link.ReplaceAllString(text, "$1")
	if before, ok := strings.CutSuffix(text, ":"); ok {
		return before + "."
	}
	return text
}

// declarations is mirage.d.ts. Of comments that take several lines it keeps the default.
func declarations(types string) string {
	_, types, _ = strings.Cut(types, "\n\n") // the line for readers of the file
	types = jsdoc.ReplaceAllStringFunc(types, func(c string) string {
		if strings.Count(c, "\n") == 1 {
			return c
		}
		if value := defaultOf.FindString(c); value != "" {
			value = strings.Join(strings.Fields(strings.ReplaceAll(value, "\n   *", " ")), " ")
			return "  /** " + value + " */\n"
		}
		return ""
	})
	return blank.ReplaceAllString(types, "\n")
}

// wrap breaks the text into lines of at most 98 columns.
func wrap(prefix, text string) string {
	var out strings.Builder
	line := prefix
	for word := range strings.FieldsSeq(text) {
		if len(line) > len(prefix) && utf8.RuneCountInString(line+" "+word) > 98 {
			out.WriteString(line + "\n")
			line = prefix
		}
		if len(line) > len(prefix) {
			line += " "
		}
		line += word
	}
	out.WriteString(line + "\n")
	return out.String()
}
