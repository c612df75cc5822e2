package miragetest

import (
	"fmt"
	"testing"
)

// A Failure is the value of the panic with which a method fails in a program that is no
// test. See New.
type Failure struct{ text string }

// Error says what was expected, and what came instead.
func (f *Failure) Error() string { return f.text }

// orProgram returns tb, or what takes its place in a program that is no test.
func orProgram(tb testing.TB) testing.TB {
	if tb == nil {
		return program{}
	}
	return tb
}

// program is a testing.TB for a program that is no test. It has only the methods that
// this package calls.
type program struct{ testing.TB }

func (program) Helper()        {}
func (program) Cleanup(func()) {} // the program calls Close

func (program) Errorf(format string, args ...any) { panic(&Failure{fmt.Sprintf(format, args...)}) }
func (program) Fatalf(format string, args ...any) { panic(&Failure{fmt.Sprintf(format, args...)}) }
