//nolint:thelper // these are tests, not helpers: a failure is to name its line here
package sinktest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// maxTried bounds the records of the size tests where the place takes any size.
const maxTried = 4 << 20

// sized replaces record i by one of n bytes, key included.
func (p *player) sized(i, n int) {
	r := &p.source.records[i]
	r.Route, r.Kind, r.DB, r.Key = change.RouteKey, "", 0, []byte("large")
	r.Value = fmt.Appendf(nil, `{"i":%d,"pad":"`, i)
	pad := n - len(r.Key) - len(r.Value) - len(`"}`)
	r.Value = append(r.Value, bytes.Repeat([]byte{'x'}, pad)...)
	r.Value = append(r.Value, `"}`...)
}

func limitOf(s sinks.Sink) int {
	if l, ok := s.(sinks.Limiter); ok {
		return l.MaxRecord()
	}
	return 0
}

func testLargeRecords(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	limit := limitOf(s)
	if limit == 0 {
		limit = maxTried
	}
	for i, n := range []int{100, limit, limit - 1, 100, limit / 2, limit} {
		p.sized(i, n)
	}
	p.mustWrite(t, s, 0, 10)
	p.mustFlush(t, s, 10)
	p.checkStored(t, 10)
}

func testRecordTooLarge(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	limit := limitOf(s)
	if limit == 0 {
		t.Skip("the place stores records of any size")
	}
	whole := p.source.records[5]
	p.sized(5, 2*limit+1) // beyond every allowance that MaxRecord leaves
	err := p.write(within(t), s, 0, 10)
	if err == nil {
		err = s.Flush(within(t))
	}
	if !errors.Is(err, sinks.ErrTooLarge) {
		t.Fatalf("a record of %d bytes, with MaxRecord %d, gave %v, want ErrTooLarge", 2*limit+1, limit, err)
	}
	if got := p.source.after(t, s.Confirmed()); got > 5 {
		t.Errorf("%d records are confirmed, but record 5 was refused", got)
	}
	p.source.records[5] = whole
	i := p.open(t, s)
	if i > 5 {
		t.Fatalf("the client starts at %d, but record 5 was refused", i)
	}
	p.mustWrite(t, s, i, 10)
	p.mustFlush(t, s, 10)
	p.checkStored(t, 10)
}
