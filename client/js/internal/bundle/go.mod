// The program that `go generate ./client/js` runs, in a module of its own so that users of Mirage never inherit esbuild.
module github.com/mirage-go/mirage/client/js/internal/bundle

go 1.26.0

require github.com/evanw/esbuild v0.28.2

require golang.org/x/sys v0.0.0-20220715151400-c0bba94af5f8 // indirect
