package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hdt3213/rdb/crc64jones"

	"keyfeed/internal/event"
)

const testReplID = "0123456789abcdef0123456789abcdef01234567"

func testOrigin() Origin {
	return Origin{
		Gen: 1795311158, ReplID: testReplID, Offset: 4711, ArrivedMs: 1795311158123, Server: "redis", ServerVersion: "7.0.15",
	}
}

// file writes RDB files for tests from the description of the format: no server is needed for the spool's own tests.
type rdbWriter struct{ bytes.Buffer }

func newRDB() *rdbWriter {
	w := &rdbWriter{}
	w.WriteString("REDIS0010")
	return w
}

func (w *rdbWriter) length(n int) *rdbWriter {
	w.WriteByte(0x80)
	w.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
	return w
}

func (w *rdbWriter) str(s string) *rdbWriter {
	w.length(len(s)).WriteString(s)
	return w
}

func (w *rdbWriter) op(codes ...byte) *rdbWriter {
	w.Write(codes)
	return w
}

func (w *rdbWriter) aux(k, v string) *rdbWriter { return w.op(250).str(k).str(v) }

// end closes the file with its checksum, or with zeros.
func (w *rdbWriter) end(summed bool) []byte {
	w.WriteByte(255)
	h := crc64jones.New()
	_, _ = h.Write(w.Bytes())
	sum := h.Sum64()
	if !summed {
		sum = 0
	}
	w.Write(binary.LittleEndian.AppendUint64(nil, sum))
	return w.Bytes()
}

func smallRDB(summed bool) []byte {
	w := newRDB().aux("redis-ver", "7.0.15").aux("repl-stream-db", "3")
	w.op(245).str("#!lua name=lib\nredis.register_function('f', function() end)")
	w.op(254, 0, 251).length(3).length(1)
	w.op(252).Write(binary.LittleEndian.AppendUint64(nil, 4102444800123))
	w.op(0).str("k1").str("v1")
	w.op(1).str("list").length(3).str("a").str("\xff").str("c")
	w.op(2).str("empty").length(0)
	w.op(254, 2)
	w.op(4).str("hash").length(1).str("f").str(strings.Repeat("v", 10000))
	return w.end(summed)
}

// commit spools a file.
func commit(tb testing.TB, dir string, cfg Config, file []byte) *Spool {
	tb.Helper()
	w, err := Create(dir, cfg, testOrigin())
	if err != nil {
		tb.Fatal(err)
	}
	w.Expect(int64(len(file)))
	if _, err := w.Write(file); err != nil {
		tb.Fatal(err)
	}
	s, err := w.Commit(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func testSettings(maxBytes int) Settings {
	return Settings{
		Settings: event.Settings{Source: "redis", MaxBytes: maxBytes}, Gen: 1795311160, Reason: event.ReasonInitial,
	}
}

// events encodes what a reader gives.
func events(tb testing.TB, s *Spool, set Settings, from int64) []string {
	tb.Helper()
	enc := event.NewEncoder(set.Settings)
	var out []string
	r := NewReader(s, set, from)
	err := r.Run(tb.Context(), func(e *event.Event) error {
		out = append(out, string(enc.Append(nil, e)))
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	if p := r.Progress(); p.Bytes != p.TotalBytes && !set.Gap || p.Events != from+int64(len(out)) {
		tb.Errorf("progress at the end is %+v after %d events", p, len(out))
	}
	return out
}

// failing is a place whose writes fail after some bytes, and whose calls fail by name.
type failing struct {
	place
	room int
	call string
	err  error
}

type failingFile struct {
	file
	p *failing
}

func (p *failing) create(name string) (file, error) {
	f, err := p.place.create(name)
	return &failingFile{file: f, p: p}, errors.Join(err, p.check("create "+name))
}

func (p *failing) rename(from, to string) error {
	if err := p.check("rename " + to); err != nil {
		return err
	}
	return p.place.rename(from, to)
}

func (p *failing) check(call string) error {
	if p.call == call {
		return p.err
	}
	return nil
}

func (f *failingFile) Write(b []byte) (int, error) {
	if f.p.call == "write" && len(b) > f.p.room {
		return 0, fmt.Errorf("write: %w", f.p.err)
	}
	return f.file.Write(b)
}

func (f *failingFile) Sync() error { return f.p.check("sync") }
