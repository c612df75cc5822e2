package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/store/disk"
)

// S3: the program says in words whether a directory is whole.
func TestS3Words(t *testing.T) {
	for name, tt := range map[string]struct {
		r    disk.Report
		want string
		bad  bool
	}{
		"empty":   {disk.Report{}, "empty", false},
		"closed":  {disk.Report{Files: 1, Clean: true, Continues: true}, "closed it", false},
		"in use":  {disk.Report{Files: 1, Continues: true}, "goes on", false},
		"behind":  {disk.Report{Files: 1, Cut: "a file"}, "new epochs", false},
		"damaged": {disk.Report{Files: 1, Damage: errors.New("at offset 7")}, "DAMAGED    at offset 7", true},
	} {
		var text strings.Builder
		if whole := write(&text, tt.r); whole == tt.bad || !strings.Contains(text.String(), tt.want) {
			t.Errorf("%s: whole %t:\n%s", name, whole, &text)
		}
	}
}
