//go:build ignore

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/format"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// first are the types of package mirage that come before its others.
var first = []string{"Options", "Live"}

// implements is the comment of a method that a contract describes.
var implements = regexp.MustCompile(`^\w+ implements (?:store\.)?(Store)\.`)

var (
	// aliased are the types of other packages that package mirage exports under its own
	// name. Applications meet them, so that they are shown in full.
	aliased = map[string]bool{}
	// options are the fields of mirage.Options.
	options = map[string]bool{}
	// explained are the names of package mirage. Where another package has them, too, the
	// sentence is not repeated.
	explained = map[string]bool{}
)

func lookAtMirage() {
	p, _ := load(".")
	for _, v := range p.Vars {
		for _, name := range v.Names {
			explained[name] = true
		}
	}
	for _, f := range p.Funcs {
		explained[f.Name] = true
	}

	for _, t := range p.Types {
		for _, f := range slices.Concat(t.Funcs, t.Methods) {
			explained[f.Name] = f.Name != "New"
		}

		spec := t.Decl.Specs[0].(*ast.TypeSpec)
		switch of := spec.Type.(type) {
		case *ast.SelectorExpr:
			aliased[of.X.(*ast.Ident).Name+"."+of.Sel.Name] = spec.Assign.IsValid()
		case *ast.StructType:
			for _, f := range of.Fields.List {
				for _, name := range f.Names {
					options[name.Name] = true
				}
			}
		}
	}
	delete(aliased, "store.Store") // which is for authors of stores
}

// writePackage writes what a package exports as one block of Go.
func writePackage(out *bytes.Buffer, dir string) {
	p, fset := load(dir)
	if dir == "." {
		slices.SortStableFunc(p.Types, func(a, b *doc.Type) int { return rank(a.Name) - rank(b.Name) })
	}

	s := source{fset: fset, doc: p}
	if dir != "." {
		s.detail = short
	}
	for _, v := range slices.Concat(p.Consts, p.Vars) {
		s.values(v)
	}
	for _, f := range p.Funcs {
		s.function(f)
	}
	for _, t := range p.Types {
		s.typ(t)
	}
	code, err := format.Source(s.Bytes())
	check(err)

	title := dir
	if dir == "." {
		title = p.Name
	}
	fmt.Fprintf(out, "\n## Package [%s](../%s)\n", title, strings.TrimPrefix(dir, "."))
	if text := s.about(); text != "" {
		out.WriteString("\n" + wrap("", text))
	}
	fmt.Fprintf(out, "\n```go\n%s\n```\n", bytes.TrimSpace(code))
}

func rank(name string) int {
	if i := slices.Index(first, name); i >= 0 {
		return i
	}
	return len(first)
}

func load(dir string) (*doc.Package, *token.FileSet) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	check(err)

	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		check(err)
		files = append(files, file)
	}

	p, err := doc.NewFromFiles(fset, files, strings.TrimSuffix(module+"/"+dir, "/."))
	check(err)
	return p, fset
}

// detail is how much is said about a name.
type detail int

const (
	full       detail = iota // its sentence, and that of each field
	short                    // half of it, and the names of the fields
	signatures               // nothing
)

// source is the text of declarations, which format.Source then aligns.
type source struct {
	bytes.Buffer
	fset *token.FileSet
	doc  *doc.Package
	detail
}

// typ writes a type with its constants, functions and methods.
func (s *source) typ(t *doc.Type) {
	outer, inner := s.detail, s.detail
	defer func() { s.detail = outer }()
	switch {
	case aliased[s.doc.Name+"."+t.Name]:
		s.detail, inner = full, full
	case t.Name == "Options" || t.Name == "Manager":
	case s.doc.Name == "store" || s.doc.Name == "session": // for authors of stores and transports
		inner = signatures
	}

	s.WriteString("\n")
	s.comment(t.Doc)
	s.detail = inner

	spec := *t.Decl.Specs[0].(*ast.TypeSpec)
	spec.Doc, spec.Comment = nil, nil
	switch of := spec.Type.(type) {
	case *ast.StructType:
		s.structure(&spec, of)
	case *ast.InterfaceType:
		fmt.Fprintf(s, "type %s interface {\n", name(&spec))
		s.fields(of.Methods.List, true)
	default:
		s.WriteString("type " + s.print(&spec) + "\n")
	}

	for _, v := range slices.Concat(t.Consts, t.Vars) {
		s.values(v)
	}

	var same string
	for _, f := range slices.Concat(t.Funcs, t.Methods) {
		if m := implements.FindStringSubmatch(f.Doc); m != nil {
			same = m[1]
			continue
		}
		s.function(f)
	}
	if same != "" {
		fmt.Fprintf(s, "\n// Its other methods are those of store.%s.\n", same)
	}
}

// structure writes a struct. In the short form, its fields are names in a comment: all of
// them, or of Options those that mirage.Options has, too.
func (s *source) structure(spec *ast.TypeSpec, of *ast.StructType) {
	fmt.Fprintf(s, "type %s struct {", name(spec))

	var shown []*ast.Field
	var named []string
	for _, f := range of.Fields.List {
		if s.detail == full || spec.Name.Name == "Options" && !options[f.Names[0].Name] {
			shown = append(shown, f)
			continue
		}
		for _, name := range f.Names {
			named = append(named, name.Name)
		}
		if f.Names == nil {
			named = append(named, s.print(f.Type))
		}
	}

	switch {
	case len(named) > 0 && spec.Name.Name == "Options":
		s.WriteString("\n" + wrap("// ", "As in mirage.Options: "+strings.Join(named, ", ")+"."))
	case len(named) > 0:
		s.WriteString("\n" + wrap("// ", strings.Join(named, ", ")))
	case len(shown) == 0:
		s.WriteString("}\n")
		return
	default:
		s.WriteString("\n")
	}
	s.fields(shown, false)
}

// name is the type's name. Parameters of a struct or interface are not printed yet.
func name(spec *ast.TypeSpec) string {
	if spec.TypeParams != nil {
		check(fmt.Errorf("%s is generic, which scripts/llms_source.go cannot print yet", spec.Name))
	}
	return spec.Name.Name
}

// fields writes the fields of a struct or the methods of an interface, and closes it.
func (s *source) fields(list []*ast.Field, methods bool) {
	for _, f := range list {
		var names []string
		for _, name := range f.Names {
			names = append(names, name.Name)
		}
		of := " " + s.print(f.Type)
		if methods {
			of = strings.TrimPrefix(of, " func")
		}

		if s.detail == full || !methods {
			s.comment(f.Doc.Text())
		}
		s.WriteString(strings.Join(names, ", ") + of)
		s.trailing(f.Comment)
	}
	s.WriteString("}\n")
}

// values writes constants or variables.
func (s *source) values(v *doc.Value) {
	single := len(v.Decl.Specs) == 1
	if single {
		s.comment(cmp.Or(v.Doc, v.Decl.Specs[0].(*ast.ValueSpec).Doc.Text()))
	} else {
		s.comment(v.Doc)
	}

	s.WriteString(v.Decl.Tok.String() + " ")
	if !single {
		s.WriteString("(\n")
	}
	for _, spec := range v.Decl.Specs {
		spec := spec.(*ast.ValueSpec)
		if !single && (s.detail == full || !explained[spec.Names[0].Name]) {
			s.comment(spec.Doc.Text())
		}

		plain := *spec
		plain.Doc, plain.Comment = nil, nil
		text := s.print(&plain)
		if name, _, ok := strings.Cut(text, " = errors.New("); ok {
			text = name + " error"
		}
		s.WriteString(text)
		s.trailing(spec.Comment)
	}

	if !single {
		s.WriteString(")\n")
	}
}

func (s *source) function(f *doc.Func) {
	if s.detail == full || !explained[f.Name] {
		s.comment(f.Doc)
	}
	decl := *f.Decl
	decl.Doc, decl.Body = nil, nil
	s.WriteString(s.print(&decl) + "\n")
}

func (s *source) print(node any) string {
	var out strings.Builder
	check(printer.Fprint(&out, s.fset, node))
	return out.String()
}

func (s *source) comment(text string) {
	text = brief(s.text(text), s.detail > full)
	if text != "" && s.detail < signatures {
		s.WriteString(wrap("// ", text))
	}
}

func (s *source) trailing(c *ast.CommentGroup) {
	if text := strings.TrimSpace(c.Text()); text != "" && s.detail < signatures {
		s.WriteString(" // " + text)
	}
	s.WriteString("\n")
}

// text returns the paragraphs of a doc comment on one line, without its lists and code.
func (s *source) text(text string) string {
	var out []string
	for _, block := range s.doc.Parser().Parse(text).Content {
		if _, ok := block.(*comment.Paragraph); ok {
			one := s.doc.Printer().Text(&comment.Doc{Content: []comment.Block{block}})
			out = append(out, strings.Join(strings.Fields(string(one)), " "))
		}
	}
	if len(out) > 1 { // what introduces a list or code says nothing without it
		out = slices.DeleteFunc(out, func(p string) bool { return strings.HasSuffix(p, ":") && p != out[0] })
	}
	return strings.Join(out, " ")
}

// about is the first sentence of the package's comment, or of package mirage all of it.
func (s *source) about() string {
	if s.doc.ImportPath != module {
		return brief(s.text(s.doc.Doc), false)
	}
	return s.text(s.doc.Doc)
}
