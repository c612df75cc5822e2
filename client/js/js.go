// Package js contains mirage.js, the browser client. Package transport serves it;
// docs/client.md is its manual. The modules that it consists of are in src.
package js

import _ "embed"

//go:generate go -C internal/bundle run .

// The files as text. Do not change these variables.
var (
	// Source is all of the client in one ES module, readable.
	//go:embed mirage.js
	Source string
	// Minified is the minified module, which transport.Script serves.
	//go:embed mirage.min.js
	Minified string
	// Map is the source map of Minified, with the text of the modules in src.
	//go:embed mirage.js.map
	Map string
	// Types is mirage.d.ts, the module's types for TypeScript.
	//go:embed mirage.d.ts
	Types string
)
