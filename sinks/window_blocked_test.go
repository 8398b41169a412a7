package sinks_test

import (
	"context"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// TestWindowTellsThatAddIsBlocked: a sink that holds records back must learn that no more will come before they are
// confirmed, and must not believe it a moment longer.
func TestWindowTellsThatAddIsBlocked(t *testing.T) {
	w := sinks.NewWindow(3, 1<<20)
	if err := w.Reset(change.Position{}); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	batch := func(n int) *change.Batch { return &change.Batch{Records: make([]change.Record, n)} }
	ticket, err := w.Add(t.Context(), batch(2))
	if err != nil || w.IsBlocked() {
		t.Fatalf("Add within the window gave %v, blocked %v", err, w.IsBlocked())
	}
	added := make(chan error, 1)
	go func() {
		_, err := w.Add(context.WithoutCancel(t.Context()), batch(2))
		added <- err
	}()
	<-w.Blocked()
	if !w.IsBlocked() {
		t.Error("Add waits, and IsBlocked does not tell")
	}
	ticket.DoneRange(0, 1, nil) // now there is room, whether Add has noticed or not
	if w.IsBlocked() {
		t.Error("there is room, and IsBlocked tells otherwise")
	}
	if err := <-added; err != nil {
		t.Error(err)
	}
}
