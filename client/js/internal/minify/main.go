// Command minify makes mirage.min.js of mirage.js: go generate ./client/js.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	source, err := os.ReadFile(filepath.Join(dir, "mirage.js"))
	if err == nil {
		var text []byte
		if text, err = minify(source); err == nil {
			err = os.WriteFile(filepath.Join(dir, "mirage.min.js"), text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "minify:", err)
		os.Exit(1)
	}
}

// minify returns source as small as esbuild makes it.
func minify(source []byte) ([]byte, error) {
	result := api.Transform(string(source), api.TransformOptions{
		Target:            api.ES2022,
		Format:            api.FormatESModule,
		Charset:           api.CharsetUTF8,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		MangleProps:       `^(answered|beat|ctl|drain|heard|hello|late|speaks|timer|token)$`, // of our own objects; no API has them
		Sourcefile:        "mirage.js",
	})
	if len(result.Errors) > 0 {
		return nil, fmt.Errorf("%v", api.FormatMessages(result.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage}))
	}
	return result.Code, nil
}
