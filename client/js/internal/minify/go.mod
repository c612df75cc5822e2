// The program that `go generate ./client/js` runs, in a module of its own so that users of Mirage never inherit esbuild.
module github.com/mirage-go/mirage/client/js/internal/minify

go 1.26.0

require (
	github.com/evanw/esbuild v0.28.2
	github.com/tdewolff/minify/v2 v2.24.25
)

require (
	github.com/tdewolff/parse/v2 v2.8.20 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
