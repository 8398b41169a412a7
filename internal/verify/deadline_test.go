package verify_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"keyfeed/internal/testenv"
	"keyfeed/internal/verify"
)

// A key that one side has deleted when it expired, and that the other still has, is not a difference: neither while it
// is only kept in memory there, nor while a slower clock there gives it some time yet.
func TestExpiredOnOneSideIsNoDifference(t *testing.T) {
	t.Parallel()
	source, target := server(t, ""), server(t, "")
	ctx := context.Background()
	for _, in := range []*testenv.Instance{source, target} {
		f := &filler{t: t, in: in}
		f.do("DEBUG SET-ACTIVE-EXPIRE 0")
		f.do(fmt.Sprintf("SET held:by:%d v PX 1", in.Port))
		testenv.Eventually(t, time.Minute, "the key expires", func() bool { return in.Client().Exists(ctx, fmt.Sprint("held:by:", in.Port)).Val() == 0 })
		f.do(fmt.Sprintf("SET gone:on:%d v PX 1", in.Port)) // held in memory: nothing has looked at it since
		f.do(fmt.Sprintf("SET soon:on:%d v EX 40", in.Port))
	}
	clocksApart := func(o *verify.Options) { o.Tolerance = time.Hour }
	lines, sum := compare(t, source, target, clocksApart)
	if len(lines) > 0 || sum.Expired < 2 {
		t.Errorf("clocks an hour apart: %d expired, found %v", sum.Expired, lines)
	}
	if lines, _ = compare(t, source, target); len(lines) != 2 {
		t.Errorf("clocks together: found %v, want the two keys that have 40 s", lines)
	}
}

// A replay gives deadlines that are near another hour on the target; with deadlines that are far it does not.
func TestNearDeadlinesMayBeLaterOnTheTarget(t *testing.T) {
	t.Parallel()
	source, target := server(t, ""), server(t, "")
	a, b := &filler{t: t, in: source}, &filler{t: t, in: target}
	a.do("SET near v EX 50")
	b.do("SET near v EX 3600")
	a.do("SET far v EX 7200")
	b.do("SET far v EX 10800")
	a.do("SET earlier v EX 50")
	b.do("SET earlier v EX 40")
	lines, sum := compare(t, source, target)
	if len(lines) != 2 || sum.Soon != 1 {
		t.Errorf("%d near, found %v, want far and earlier", sum.Soon, lines)
	}
}
