package sinktest

import (
	"go.uber.org/goleak"

	"keyfeed/internal/testenv"
)

// noLeaks returns a check that no goroutine runs that did not run when noLeaks was called.
func (p *player) noLeaks() func() error {
	options := []goleak.Option{goleak.IgnoreCurrent()}
	for _, name := range p.h.Leftovers {
		options = append(options, goleak.IgnoreAnyFunction(name))
	}
	return func() error { return testenv.FindLeaks(options...) }
}
