//nolint:thelper // these are tests, not helpers: a failure is to name its line here
package sinktest

import (
	"context"
	"errors"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

func testEmptyPlace(t *testing.T, p *player) {
	s := p.client(t)
	if i := p.open(t, s); i != 0 {
		t.Fatalf("an empty place has position %v", p.source.end(i))
	}
	p.mustFlush(t, s, 0)
	p.checkStored(t, 0)
	mustClose(t, s)
	again := p.client(t)
	if i := p.open(t, again); i != 0 {
		t.Fatalf("opened twice, an empty place has position %v", p.source.end(i))
	}
}

func testCloseEndsEverything(t *testing.T, p *player) {
	unopened := p.client(t)
	mustClose(t, unopened)

	s := p.client(t)
	p.open(t, s)
	p.mustWrite(t, s, 0, 10)
	mustClose(t, s)
	mustClose(t, s)
	b := p.ledger.lend(p.source.records[10:12])
	if err := s.Write(within(t), b); !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("Write after Close gave %v, want ErrClosed", err)
	}
	if !p.ledger.isBack(b) {
		t.Error("Write after Close kept the batch")
	}
	if err := s.Flush(within(t)); !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("Flush after Close gave %v, want ErrClosed", err)
	}
	if _, err := s.Open(within(t)); !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("Open after Close gave %v, want ErrClosed", err)
	}
	p.ledger.settle(t)
}

func testEmptyBatch(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	b := p.ledger.lend(nil)
	if err := s.Write(within(t), b); err != nil {
		t.Fatalf("Write of an empty batch: %v", err)
	}
	p.mustFlush(t, s, 0)
	if !p.ledger.isBack(b) {
		t.Error("an empty batch is not back after Flush")
	}
	p.mustWrite(t, s, 0, 5)
	if err := s.Write(within(t), p.ledger.lend([]change.Record{})); err != nil {
		t.Fatalf("Write of an empty batch: %v", err)
	}
	p.mustFlush(t, s, 5)
	p.checkStored(t, 5)
}

func testWriteAfterContextEnded(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	p.mustWrite(t, s, 0, 10)
	p.mustFlush(t, s, 10)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ended); err == nil {
		t.Fatal("Open with an ended context gave no error")
	} else if errors.Is(err, sinks.ErrConfig) {
		t.Fatalf("the end of a context became an error for an operator: %v", err)
	}
	b := p.ledger.lend(p.source.records[10:12])
	if err := s.Write(ended, b); err == nil {
		t.Fatal("Write gave no error although Open had failed")
	}
	if !p.ledger.isBack(b) {
		t.Error("the batch of a failed Write is not back")
	}
	i := p.open(t, s)
	p.mustWrite(t, s, i, 20)
	p.mustFlush(t, s, 20)
	p.checkStored(t, 20)
}

func testNoGoroutineLeft(t *testing.T, p *player) {
	warm := p.client(t) // what the place starts on first use stays
	p.open(t, warm)
	p.mustWrite(t, warm, 0, 10)
	p.mustFlush(t, warm, 10)
	mustClose(t, warm)

	check := p.noLeaks()
	s := p.client(t)
	i := p.open(t, s)
	p.mustWrite(t, s, i, 1000)
	mustClose(t, s)
	if err := check(); err != nil {
		t.Errorf("after Close: %v", err)
	}
	failed := p.client(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := failed.Open(ended); err == nil {
		t.Error("Open with an ended context gave no error")
	}
	mustClose(t, failed)
	if err := check(); err != nil {
		t.Errorf("after an Open that failed: %v", err)
	}
}
