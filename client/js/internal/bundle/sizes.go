package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// metafile is the part of esbuild's Metafile that says how large everything is.
type metafile struct {
	Inputs map[string]struct {
		Bytes int `json:"bytes"`
	} `json:"inputs"`
	Outputs map[string]struct {
		Inputs map[string]struct {
			Bytes int `json:"bytesInOutput"`
		} `json:"inputs"`
	} `json:"outputs"`
}

// printSizes prints how large the minified bundle is, and each module's part of it.
func printSizes(b *bundle) error {
	var meta metafile
	if err := json.Unmarshal([]byte(b.Metafile), &meta); err != nil {
		return err
	}
	text := b.files["mirage.min.js"]
	zip, err := zipped(text)
	if err != nil {
		return err
	}

	source := 0
	for _, in := range meta.Inputs {
		source += in.Bytes
	}
	fmt.Printf("%d bytes of source, %d minified, %d in gzip\n", source, len(text), zip)

	modules := meta.Outputs["mirage.min.js"].Inputs
	names := slices.SortedFunc(maps.Keys(modules), func(a, b string) int {
		return cmp.Or(modules[b].Bytes-modules[a].Bytes, cmp.Compare(a, b))
	})
	for _, name := range names {
		fmt.Printf("%8d %s, of %d\n", modules[name].Bytes, name, meta.Inputs[name].Bytes)
	}
	return nil
}

// zipped returns how many bytes text has in gzip.
func zipped(text string) (int, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return 0, err
	}
	if _, err := z.Write([]byte(text)); err != nil {
		return 0, err
	}
	if err := z.Close(); err != nil {
		return 0, err
	}
	return b.Len(), nil
}
