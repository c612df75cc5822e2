// Package docs holds no code. Its tests check the documentation.
package docs

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write what the commands print into the documents")

// TestTranscripts runs every command of the documents' console blocks in one shell and
// compares what it prints.
func TestTranscripts(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: curl against a server, in real time")
	}
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v; make test installs what the tests need", err)
		}
	}
	for _, document := range []string{"protocol.md", "../README.md"} {
		t.Run(document, func(t *testing.T) { testTranscript(t, document) })
	}
}

func testTranscript(t *testing.T, path string) {
	document, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t)
	before, commands := parse(string(document))
	outputs := run(t, address, commands)
	var after bytes.Buffer
	for i, c := range commands {
		if got, want := normal(outputs[i]), normal(unfold(c.output)); got != want {
			t.Errorf("$ %s\nprinted\n%s\nbut the document says\n%s", c.line, got, want)
		}
		after.WriteString(c.before + c.written + fold(shorten(outputs[i])))
	}
	after.WriteString(before)
	if *update {
		if err := os.WriteFile(path, after.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Code on the pages about the wire is not cut off on GitHub.
func TestWireColumns(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```[^\n]+\n(.*?)```")
	for _, page := range []string{"protocol.md", "plain.md"} {
		for _, block := range blocks.FindAllStringSubmatch(read(t, page), -1) {
			for line := range strings.Lines(block[1]) {
				line = strings.TrimRight(line, "\n")
				if width := utf8.RuneCountInString(line); width > columns {
					t.Errorf("%s: %d columns: %s", page, width, line)
				}
			}
		}
	}
}

type command struct {
	before  string // the part of the document before the command
	written string // the command in the document, with prompts
	line    string // the command for the shell, of one or several lines
	output  string
}

// parse finds the commands of the console blocks. rest is the document after the last
// one. As in a shell, the first line of a command follows "$ ", the others ">" or "> ".
func parse(document string) (rest string, commands []command) {
	var text strings.Builder
	inside := false
	for line := range strings.Lines(document) {
		fence := strings.HasPrefix(line, "```")
		switch {
		case fence:
			inside = !inside && line == "```console\n"
			text.WriteString(line)
		case inside && strings.HasPrefix(line, "$ "):
			commands = append(commands, command{
				before: text.String(), written: line, line: strings.TrimSpace(line[2:]),
			})
			text.Reset()
		case inside && strings.HasPrefix(line, ">") && commands[len(commands)-1].output == "":
			c := &commands[len(commands)-1]
			c.written += line
			c.line += "\n" + strings.TrimPrefix(strings.TrimRight(line[1:], "\n"), " ")
		case inside:
			commands[len(commands)-1].output += line
		default:
			text.WriteString(line)
		}
	}
	return text.String(), commands
}

// run passes the commands to one shell and returns what each of them printed.
func run(t *testing.T, address string, commands []command) []string {
	const mark = "--- end of command ---"
	var script strings.Builder
	for _, c := range commands {
		line := strings.ReplaceAll(c.line, "localhost:8080", address)
		script.WriteString(strings.ReplaceAll(line, "curl ", "curl --noproxy '*' ") + "\necho '" + mark + "'\n")
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash")
	shell.Dir, shell.Stdin = t.TempDir(), strings.NewReader(script.String())
	printed, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}

	var outputs []string
	var output strings.Builder
	lines := bufio.NewScanner(bytes.NewReader(printed))
	for lines.Scan() {
		line, end := strings.CutSuffix(lines.Text(), mark)
		if line != "" || !end {
			output.WriteString(line + "\n")
		}
		if end {
			outputs = append(outputs, strings.TrimRight(output.String(), "\n")+"\n")
			output.Reset()
		}
	}

	if len(outputs) != len(commands) {
		t.Fatalf("%d of %d commands ran:\n%s", len(outputs), len(commands), printed)
	}
	for i, o := range outputs {
		if o == "\n" {
			outputs[i] = ""
		}
	}
	return outputs
}

var (
	token   = regexp.MustCompile(`"(link|mirage)":"([^"]{8})[^"]*"`)
	changes = []struct {
		what *regexp.Regexp
		with string
	}{
		{regexp.MustCompile(`"(link|mirage)":"[^"]+"`), `"$1":"…"`},
		{regexp.MustCompile(`_([0-9a-z]{5})[0-9a-z]{5}-(\d+)`), `_${1}EPOCH-$2`},
		{regexp.MustCompile(`\b[0-9a-z]{10,13}-(\d+)`), `EPOCH-$1`},
		{regexp.MustCompile(`"key":"[\w-]{16}"`), `"key":"KEY"`},
		{regexp.MustCompile(`"id":"[0-9a-f]{16}"`), `"id":"ID"`},
		{regexp.MustCompile(`plain-[A-Z2-7]+`), `plain-NAME`},
		{regexp.MustCompile(`(?m)^retry: \d+`), `retry: N`},
	}
)

// columns is the maximum width of code on a page: GitHub cuts off wider lines.
const columns = 90

// fold breaks long lines of output after a comma. The rest is indented by a space.
func fold(output string) string {
	var folded strings.Builder
	for line := range strings.Lines(output) {
		for utf8.RuneCountInString(line) > columns {
			end := strings.LastIndex(string([]rune(line)[:columns-1]), `,"`) + 1
			if end == 0 {
				break
			}
			folded.WriteString(line[:end] + "\n")
			line = " " + line[end:]
		}
		folded.WriteString(line)
	}
	return folded.String()
}

// unfold undoes fold.
func unfold(output string) string { return strings.ReplaceAll(output, ",\n \"", ",\"") }

// shorten shortens a token to its beginning.
func shorten(s string) string { return token.ReplaceAllString(s, `"$1":"$2…"`) }

// normal replaces the parts that differ from run to run.
func normal(s string) string {
	for _, c := range changes {
		s = c.what.ReplaceAllString(s, c.with)
	}
	return s
}
