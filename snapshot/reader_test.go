package snapshot

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"keyfeed/internal/event"
)

func TestEvents(t *testing.T) {
	s := commit(t, t.TempDir(), Config{}, smallRDB(true))
	s.meta.CommittedMs = s.meta.ArrivedMs + 42
	const head = `{"v":1,"id":"1795311160:00000000000000004711:`
	const tail = `,"ts_ms":1795311158123,"source":{"name":"redis","gen":1795311160,"offset":4711,"seq":`
	want := []string{
		head + `0000000000","op":"m","kind":"snapshot_begin","reason":"initial","server":"redis","server_version":"7.0.15",` +
			`"rdb_version":10,"replid":"` + testReplID + `"` + tail + `0}}`,
		head + `0000000001","op":"m","kind":"function","cmd":"FUNCTION LOAD","args":["REPLACE",` +
			`"#!lua name=lib\nredis.register_function('f', function() end)"]` + tail + `1}}`,
		head + `0000000002","op":"r","db":0,"key":"k1","type":"string","value":"v1","expire_at_ms":4102444800123,` +
			`"snapshot":"true"` + tail + `2}}`,
		head + `0000000003","op":"r","db":0,"key":"list","type":"list","value":["YQ==","/w==","Yw=="],"enc":"base64",` +
			`"snapshot":"true"` + tail + `3}}`,
		head + `0000000004","op":"r","db":2,"key":"hash","type":"hash","value":{"f":"` + strings.Repeat("v", 10000) +
			`"},"snapshot":"true"` + tail + `4}}`,
		head + `0000000005","op":"m","kind":"snapshot_end","keys":3,"events":6,"bytes":` +
			strconv.FormatInt(s.meta.Size, 10) + `,"ms":42,"skipped":{"empty_key":1}` + tail + `5}}`,
	}
	got := events(t, s, testSettings(1<<20), 0)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("event %d:\n got %.600s\nwant %.600s", i, at(got, i), at(want, i))
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "none"
}

// What is stored already is not handed out; the rest is the same bytes (invariant 5).
func TestEventsFromAnyNumber(t *testing.T) {
	w := newRDB()
	w.op(1).str("big").length(500)
	for i := range 500 {
		w.str(strings.Repeat("x", i))
	}
	w.op(0).str("string").str(strings.Repeat("é\xff", 20000))
	s := commit(t, t.TempDir(), Config{}, w.end(true))
	all := events(t, s, testSettings(4096), 0)
	if len(all) < 30 {
		t.Fatalf("only %d events", len(all))
	}
	for from := range len(all) {
		if rest := events(t, s, testSettings(4096), int64(from)); !slices.Equal(rest, all[from:]) {
			t.Fatalf("from %d: %d events differ from the last %d", from, len(rest), len(all)-from)
		}
	}
	if rest := events(t, s, testSettings(4096), int64(len(all))); len(rest) != 0 {
		t.Errorf("after all %d events there are %d more", len(all), len(rest))
	}
	err := NewReader(s, testSettings(4096), int64(len(all))+1).Run(t.Context(), func(*event.Event) error { return nil })
	if !errors.Is(err, ErrSettings) {
		t.Errorf("more events than there are: %v, want ErrSettings", err)
	}
	for _, e := range all {
		if len(e) > 4096 {
			t.Errorf("an event has %d bytes, the limit is 4096", len(e))
		}
	}
}

func TestGap(t *testing.T) {
	s := commit(t, t.TempDir(), Config{}, smallRDB(true))
	set := testSettings(4096)
	set.Gap, set.Prev = true, "none"
	got := events(t, s, set, 0)
	if len(got) != 1 || !strings.Contains(got[0], `"kind":"gap","reason":"initial"`) || !strings.Contains(got[0], `"prev":"none"`) {
		t.Errorf("events are %q", got)
	}
	if got := events(t, s, set, 1); len(got) != 0 {
		t.Errorf("after the gap there is %q", got)
	}
}

func TestRunEndsWithItsContextAndHandler(t *testing.T) {
	s := commit(t, t.TempDir(), Config{}, smallRDB(true))
	cause := errors.New("enough")
	for stop := range 6 {
		ctx, cancel := context.WithCancelCause(t.Context())
		n := 0
		err := NewReader(s, testSettings(4096), 0).Run(ctx, func(*event.Event) error {
			if n++; n == stop+1 {
				cancel(cause)
			}
			return nil
		})
		cancel(nil)
		if stop == 5 && err == nil {
			continue // the last event was handed out: nothing is left to end
		}
		if !errors.Is(err, cause) || n != stop+1 {
			t.Errorf("ended at event %d: %d events, error %v", stop, n, err)
		}
		n = 0
		err = NewReader(s, testSettings(4096), 0).Run(t.Context(), func(*event.Event) error {
			if n++; n == stop+1 {
				return cause
			}
			return nil
		})
		if err != cause || n != stop+1 { //nolint:errorlint // unchanged, as documented
			t.Errorf("handler's error at event %d: %d events, error %v", stop, n, err)
		}
	}
}

// A file that is damaged after it was committed is noticed before snapshot_end.
func TestDamageOnDisk(t *testing.T) {
	s := commit(t, "", Config{MaxBytes: 1 << 20}, smallRDB(true))
	f, err := s.at.create(rdbFile)
	if err != nil {
		t.Fatal(err)
	}
	file := smallRDB(true)
	file[len(file)-20] ^= 1
	if _, err := f.Write(file); err != nil {
		t.Fatal(err)
	}
	last := ""
	err = NewReader(s, testSettings(4096), 0).Run(t.Context(), func(e *event.Event) error {
		last = e.Kind
		return nil
	})
	if err == nil || last == event.KindSnapshotEnd {
		t.Errorf("error %v, last kind %q", err, last)
	}
}

// An element and a key that no event can hold are named by size and digest; their neighbours stay.
func TestOversize(t *testing.T) {
	huge := strings.Repeat("h", 2<<20)
	w := newRDB()
	w.op(1).str("list").length(3).str("a").str(huge).str("c")
	w.op(4).str("hash").length(2).str("f").str(huge).str(huge).str("v")
	w.op(0).str(huge).str("value of a huge key")
	w.op(0).str("last").str("v")
	s := commit(t, t.TempDir(), Config{}, w.end(true))
	all := strings.Join(events(t, s, testSettings(1<<20), 0), "\n")
	for _, want := range []string{
		`"key":"list","type":"list","value":["a"]`, `"omitted":{"bytes":2097152,`, `"value":["c"]`,
		`"key":"hash"`, `"omitted":{"bytes":2097153,`, `"key_sha256":`, `"key":"last"`, `"keys":4`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is missing in %.3000s", want, all)
		}
	}
	if n := strings.Count(all, `"cause":"oversize"`); n != 4 {
		t.Errorf("%d events are oversize, want 4", n)
	}
}
