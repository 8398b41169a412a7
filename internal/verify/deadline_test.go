package verify_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
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

// The same holds for fields of a hash.
func TestFieldsExpireLikeKeys(t *testing.T) {
	for _, version := range []string{"redis-7.4", "valkey-9"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			source, target := server(t, version), server(t, version)
			a, b := &filler{t: t, in: source}, &filler{t: t, in: target}
			for _, f := range []*filler{a, b} {
				f.do("DEBUG SET-ACTIVE-EXPIRE 0")
				f.do("HSET h stays v over v soon v")
				f.do("HEXPIRE h 50 FIELDS 1 soon")
			}
			b.do("HEXPIRE h 3600 FIELDS 1 soon")
			a.do("HPEXPIRE h 1 FIELDS 1 over") // kept in memory, counted by HLEN, and gone
			b.do("HDEL h over")
			testenv.Eventually(t, time.Minute, "the field expires", func() bool { return !source.Client().HExists(context.Background(), "h", "over").Val() })
			lines, sum := compare(t, source, target)
			if len(lines) > 0 || sum.Soon != 2 { // once each way
				t.Errorf("%d near, found %v", sum.Soon, lines)
			}
			b.do("HDEL h soon")
			if lines, _ = compare(t, source, target); len(lines) != 1 {
				t.Errorf("found %v, want the field that has 50 s", lines)
			}
			lines, sum = compare(t, source, target, func(o *verify.Options) { o.Tolerance = time.Hour })
			if len(lines) > 0 || sum.Expired != 1 {
				t.Errorf("clocks an hour apart: %d expired, found %v", sum.Expired, lines)
			}
		})
	}
}

// Servers tell a delivery time only as idle time, so it is compared within the tolerance.
func TestDeliveryTimes(t *testing.T) {
	t.Parallel()
	source, target := twins(t, "", "", every)
	f := &filler{t: t, in: target}
	at := func(shift time.Duration) string {
		ms, err := strconv.ParseInt(deliveryTime(t, source, "stream:groups", "g", "3-1"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return strconv.FormatInt(ms+shift.Milliseconds(), 10)
	}
	f.do("XCLAIM stream:groups g bob 0 3-1 RETRYCOUNT 1 TIME " + at(-20*time.Second))
	lines, _ := compare(t, source, target)
	if len(lines) != 1 || !strings.HasPrefix(lines[0], `db 0 key "stream:groups" (stream): group "g" entry 3-1 delivery time: source `) {
		t.Errorf("20 s apart: found %v", lines)
	}
	if lines, _ = compare(t, source, target, func(o *verify.Options) { o.Tolerance = time.Minute }); len(lines) > 0 {
		t.Errorf("20 s apart, and a minute is tolerated: found %v", lines)
	}
}
