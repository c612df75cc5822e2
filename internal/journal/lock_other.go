//go:build !windows && (!unix || aix || solaris)

package journal

import "errors"

func lockFile(string) (Lock, error) {
	return nil, errors.New("journal: this operating system has no file locks that Go can use")
}
