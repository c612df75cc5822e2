// Package js contains mirage.js, the browser client. Package transport serves it;
// docs/client.md is its manual.
package js

import _ "embed"

//go:generate go -C internal/minify run . ../..

// The files as text. Do not change these variables.
var (
	// Source is the ES module as it was written.
	//go:embed mirage.js
	Source string
	// Minified is the minified module, which transport.Script serves.
	//go:embed mirage.min.js
	Minified string
	// Types is mirage.d.ts, the module's types for TypeScript.
	//go:embed mirage.d.ts
	Types string
)
