package main

import (
	"strings"
	"testing"
	"time"

	"keyfeed/internal/replay"
)

func TestReplayProgress(t *testing.T) {
	var tally replay.Tally
	var out strings.Builder
	p := newReplayProgress(&out)
	p.tally = &tally
	now := p.began
	tally.Events.Store(12_345)
	tally.Snapshot.Store(true)
	p.show(now.Add(10 * time.Second))
	tally.Events.Store(1_012_345)
	tally.Inexact.Store(2)
	tally.Snapshot.Store(false)
	tally.Received.Store(now.Add(17 * time.Second).UnixMilli())
	p.show(now.Add(20 * time.Second))
	p.tty = true
	p.show(now.Add(30 * time.Second))
	if _, err := p.Write([]byte("keyfeed: something else\n")); err != nil {
		t.Fatal(err)
	}
	want := "keyfeed: replay: 12,345 events, 1,234/s, in a snapshot\n" +
		"keyfeed: replay: 1,012,345 events, 2 NOT EXACT, 100,000/s, 3s behind\n" +
		"\r\x1b[Kreplay: 1,012,345 events, 2 NOT EXACT, 0/s, 13s behind" +
		"\r\x1b[Kkeyfeed: something else\n"
	if out.String() != want {
		t.Errorf("it shows\n%q\nwant\n%q", out.String(), want)
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -100: "-100", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %s, want %s", n, got, want)
		}
	}
}
