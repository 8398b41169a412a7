//nolint:thelper // these are tests, not helpers: a failure is to name its line here
package sinktest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"keyfeed/sinks"
)

// mustBeFenced expects that s, which another client has taken over, ends with ErrFenced: at once, or when it is opened
// again after an error that does not tell.
func (p *player) mustBeFenced(t *testing.T, s sinks.Sink) {
	t.Helper()
	ctx := within(t)
	for {
		err := s.Err()
		if errors.Is(err, sinks.ErrFenced) {
			return
		}
		if pos, err := s.Open(ctx); errors.Is(err, sinks.ErrFenced) {
			return
		} else if err == nil {
			t.Fatalf("the client that another one has taken over opened at %v, want ErrFenced", pos)
		} else if errors.Is(err, sinks.ErrConfig) || ctx.Err() != nil {
			t.Fatalf("the client that another one has taken over gave %v, want ErrFenced", err)
		}
		select {
		case <-time.After(20 * time.Millisecond): // as the pump does after any other error
		case <-ctx.Done():
		}
	}
}

// testRivalTakesOver opens a second client while the first one has records in flight. The first must end, and the second
// go on, with every record stored once.
func testRivalTakesOver(t *testing.T, p *player) {
	first, second := p.client(t), p.client(t)
	p.open(t, first)
	p.mustWrite(t, first, 0, 300)
	p.mustFlush(t, first, 300)
	p.mustWrite(t, first, 300, 500) // in flight, or stored, or confirmed
	i := p.open(t, second)
	if i < 300 || i > 500 {
		t.Fatalf("the second client starts at %d, want between 300 and 500", i)
	}
	confirmed := p.source.after(t, first.Confirmed())
	if confirmed > i {
		t.Fatalf("the first client has confirmed %d records, the second starts at %d", confirmed, i)
	}
	err := p.write(within(t), first, 500, 600)
	if err == nil {
		err = first.Flush(within(t))
	}
	if err == nil {
		t.Fatal("the first client goes on after the second has opened")
	}
	if got := p.source.after(t, first.Confirmed()); got > i {
		t.Fatalf("the first client has confirmed %d records, but the second started at %d", got, i)
	}
	p.mustBeFenced(t, first)
	p.mustWrite(t, second, i, 1000) // the first one's end has not disturbed the second
	p.mustFlush(t, second, 1000)
	p.checkStored(t, 1000)
}

// testPausedWriterWakesUp takes over from a client that is silent, as one is whose process was stopped for a while. Its
// first records after that must not be stored.
func testPausedWriterWakesUp(t *testing.T, p *player) {
	first, second := p.client(t), p.client(t)
	p.open(t, first)
	p.mustWrite(t, first, 0, 100)
	p.mustFlush(t, first, 100)
	i := p.open(t, second)
	if i != 100 {
		t.Fatalf("the second client starts at %d, want 100", i)
	}
	p.mustWrite(t, second, 100, 400)
	p.mustFlush(t, second, 400)
	err := p.write(within(t), first, 100, 200)
	if err == nil {
		err = first.Flush(within(t))
	}
	if err == nil {
		t.Fatal("a client that slept while another one wrote goes on")
	}
	if got := p.source.after(t, first.Confirmed()); got != 100 {
		t.Fatalf("the first client has confirmed %d records, want 100", got)
	}
	p.mustBeFenced(t, first)
	p.mustWrite(t, second, 400, 700)
	p.mustFlush(t, second, 700)
	p.checkStored(t, 700)
}

// testRivalsUntilOneIsLeft lets several clients write the same records at the same time, each opening again after an
// error. All but one end with ErrFenced, and every record is stored once.
func testRivalsUntilOneIsLeft(t *testing.T, p *player) {
	const rivals = 3
	all := len(p.source.records)
	var wg sync.WaitGroup
	fenced := make([]bool, rivals)
	batches := make([]*player, rivals) // the player's random numbers are for one goroutine
	for n := range rivals {
		batches[n] = newPlayer(t, p.h, p.f)
		batches[n].source, batches[n].ledger = p.source, p.ledger
	}
	clients := make([]sinks.Sink, rivals)
	for n := range clients {
		clients[n] = p.client(t)
	}
	for n := range rivals {
		wg.Go(func() { fenced[n] = batches[n].writeAll(t, clients[n], all) })
	}
	wg.Wait()
	left := 0
	for _, ended := range fenced {
		if !ended {
			left++
		}
	}
	if left == 0 {
		t.Error("all clients were fenced: nobody is left to write")
	}
	p.checkStored(t, all)
}

// writeAll writes as the pump does until everything is stored, and reports whether the client was fenced instead. Several
// may get to the end: the last record may be stored before a later client opens.
func (p *player) writeAll(t *testing.T, s sinks.Sink, to int) (fenced bool) {
	ctx := within(t)
	for {
		pos, err := s.Open(ctx)
		for i := p.source.after(t, pos); err == nil && i < to; {
			n := min(1+p.rng.IntN(64), to-i)
			err = s.Write(ctx, p.ledger.lend(p.source.records[i:i+n]))
			i += n
		}
		if err == nil {
			err = s.Flush(ctx)
		}
		switch {
		case err == nil && same(s.Confirmed(), p.source.end(to)):
			return false
		case errors.Is(err, sinks.ErrFenced):
			return true
		case err == nil:
			t.Errorf("after Flush, Confirmed() is %v", s.Confirmed())
			return false
		case errors.Is(err, sinks.ErrConfig) || ctx.Err() != nil:
			t.Errorf("one of the rivals ended with %v", err)
			return false
		}
		select {
		case <-time.After(time.Duration(1+p.rng.IntN(50)) * time.Millisecond): // as the pump does
		case <-ctx.Done():
		}
	}
}

// testStandby stands by beside a writer, and takes over when it has gone.
func testStandby(t *testing.T, p *player) {
	writer, waiting := p.client(t), p.client(t)
	stander, ok := waiting.(sinks.Stander)
	if !ok {
		t.Skip("the sink cannot stand by")
	}
	p.open(t, writer)
	ended := make(chan error, 1)
	const quiet = 5500 * time.Millisecond // a writer shows a sign of life every 5 s
	began := time.Now()
	go func() { ended <- stander.Standby(within(t), quiet) }()
	p.mustWrite(t, writer, 0, 50)
	p.mustFlush(t, writer, 50)
	watched := time.NewTimer(quiet + 2*time.Second) // longer than quiet, so that only the signs of a silent writer keep it waiting
	defer watched.Stop()
	select {
	case err := <-ended:
		t.Fatalf("Standby ended after %v beside a writer, with %v", time.Since(began), err)
	case <-watched.C:
	}
	p.mustWrite(t, writer, 50, 100) // it was not disturbed
	p.mustFlush(t, writer, 100)
	p.checkStored(t, 100)
	mustClose(t, writer)
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("Standby: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Standby goes on although the writer has gone")
	}
	if i := p.open(t, waiting); i != 100 {
		t.Fatalf("the client that stood by starts at %v, want %v", p.source.end(i), p.source.end(100))
	}
	p.mustWrite(t, waiting, 100, 200)
	p.mustFlush(t, waiting, 200)
	p.checkStored(t, 200)
}

func testStandbyEndsWithContext(t *testing.T, p *player) {
	s := p.client(t)
	stander, ok := s.(sinks.Stander)
	if !ok {
		t.Skip("the sink cannot stand by")
	}
	if err := stander.Standby(within(t), time.Millisecond); err != nil { // nobody ever wrote here
		t.Fatalf("Standby at an empty place: %v", err)
	}
	boom := errors.New("the pump ends")
	ctx, cancel := contextWithCause(t)
	ended := make(chan error, 1)
	go func() { ended <- stander.Standby(ctx, time.Hour) }()
	cancel(boom)
	if err := <-ended; !errors.Is(err, boom) {
		t.Errorf("Standby ended with %v, want the cause of its context", err)
	}
	if i := p.open(t, s); i != 0 {
		t.Errorf("after Standby an empty place has position %v", p.source.end(i))
	}
}

// testLook looks beside a writer, which must not notice.
func testLook(t *testing.T, p *player) {
	s := p.client(t)
	looker, ok := p.client(t).(sinks.Looker)
	if !ok {
		t.Skip("the sink cannot be looked at")
	}
	if _, _, err := looker.Look(within(t)); !errors.Is(err, sinks.ErrConfig) || !errors.Is(err, sinks.ErrNoPlace) {
		t.Errorf("Look at a place that is not there gave %v, want ErrNoPlace", err)
	}
	p.open(t, s)
	for _, to := range []int{0, 100, 200} {
		p.mustWrite(t, s, max(0, to-100), to)
		p.mustFlush(t, s, to)
		pos, about, err := looker.Look(within(t))
		if err != nil {
			t.Fatalf("Look: %v", err)
		}
		if want := p.source.end(to); !same(pos, want) || about == "" {
			t.Errorf("Look gave %v and %q, want %v", pos, about, want)
		}
	}
	p.checkStored(t, 200)
}
