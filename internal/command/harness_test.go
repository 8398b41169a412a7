package command_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

// arrived is when the chunks of tests arrived, unless they say otherwise.
const arrived = 1_795_311_158_000

// record keeps the JSON of what it gets.
type record struct {
	enc    *event.Encoder
	dec    *command.Decoder
	events []string // whole events
	short  []string // from op on, without what stands behind ts_ms, and "seq/n"
	at     []change.Position
	units  []change.Position
	counts []int64
}

func newRecord(set command.Settings) *record { return &record{enc: event.NewEncoder(set.Settings)} }

func (r *record) Event(e *event.Event) error {
	text := string(r.enc.Append(nil, e))
	r.events = append(r.events, text)
	_, short, _ := strings.Cut(text, `","op":`)
	short, _, _ = strings.Cut(short, `,"ts_ms":`)
	r.short = append(r.short, fmt.Sprintf(`"op":%s %d/%d`, short, e.Seq, e.N))
	if r.dec != nil {
		r.at = append(r.at, r.dec.Position())
	}
	return nil
}

func (r *record) Unit(end change.Position, events int64) error {
	r.units = append(r.units, end)
	r.counts = append(r.counts, events)
	return nil
}

// line makes a command of words. A word of the form 'x' stands for x, which may then be empty or hold a space.
func line(text string) []byte {
	var argv [][]byte
	for w := range strings.FieldsSeq(text) {
		argv = append(argv, []byte(strings.ReplaceAll(strings.Trim(w, "'"), "_", " ")))
	}
	return resp.AppendCommand(nil, argv...)
}

func stream(lines ...string) []byte {
	var p []byte
	for _, l := range lines {
		p = append(p, line(l)...)
	}
	return p
}

// decode feeds whole units as one chunk.
func decode(tb testing.TB, set command.Settings, p []byte) *record {
	tb.Helper()
	r := newRecord(set)
	r.dec = command.New(set, command.Start{Gen: 7, ReplID: replid})
	if err := r.dec.Feed(change.Chunk{Data: bytes.Clone(p), Arrived: arrived}, r); err != nil {
		tb.Fatalf("Feed: %v", err)
	}
	return r
}
