package sinktest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakGrace is how long goroutines may take to end after what they served is closed: a slow machine has no processor for
// them at once. One that was forgotten never ends.
const leakGrace = 10 * time.Second

// Main is the TestMain of a package whose tests must leave no goroutine behind, but for those that the options name.
func Main(m *testing.M, options ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		if err := findLeaks(options...); err != nil {
			fmt.Fprintln(os.Stderr, "after all tests:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// noLeaks returns a check that no goroutine runs that did not run when noLeaks was called.
func (p *player) noLeaks() func() error {
	options := []goleak.Option{goleak.IgnoreCurrent()}
	for _, name := range p.h.Leftovers {
		options = append(options, goleak.IgnoreAnyFunction(name))
	}
	return func() error { return findLeaks(options...) }
}

func findLeaks(options ...goleak.Option) error {
	for ends := time.Now().Add(leakGrace); ; {
		if err := goleak.Find(options...); err == nil || time.Now().After(ends) { // Find itself waits up to half a second
			return err
		}
	}
}
