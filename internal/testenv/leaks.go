package testenv

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakGrace is how long the goroutines of a test may take to end. goleak waits for less than half a second, and a loaded
// machine may spend that on a connection that is being closed.
const leakGrace = 20 * time.Second

// RunWithoutLeaks is for the TestMain of a package: it runs the tests, and fails when goroutines of theirs stay.
func RunWithoutLeaks(m *testing.M, opts ...goleak.Option) {
	goleak.VerifyTestMain(patientRun{m, opts}, opts...)
}

type patientRun struct {
	m    *testing.M
	opts []goleak.Option
}

// Run implements goleak.TestingM.
func (p patientRun) Run() int {
	code := p.m.Run()
	if code == 0 {
		_ = FindLeaks(p.opts...) // it waits; goleak looks again and reports
	}
	return code
}

// FindLeaks gives an error when goroutines run that the options do not name, and go on for as long as a loaded machine may
// take to end them.
func FindLeaks(opts ...goleak.Option) error {
	for end := time.Now().Add(leakGrace); ; {
		if err := goleak.Find(opts...); err == nil || time.Now().After(end) { // Find itself waits up to half a second
			return err
		}
	}
}
