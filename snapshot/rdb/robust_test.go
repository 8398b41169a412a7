package rdb_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"keyfeed/snapshot/rdb"
)

// mutants is how many damaged files TestMutants decodes; KEYFEED_RDB_MUTANTS changes the default.
var mutants = flag.Int("mutants", mutantsFromEnv(), "damaged RDB files to decode in TestMutants")

// mutantSeed makes a run of TestMutants repeatable.
var mutantSeed = flag.Uint64("mutantseed", 0, "seed of TestMutants; 0 draws one")

func mutantsFromEnv() int {
	if n, err := strconv.Atoi(os.Getenv("KEYFEED_RDB_MUTANTS")); err == nil {
		return n
	}
	return 20_000
}

func magics() []string { return []string{"REDIS0012", "REDIS0009", "VALKEY080"} }

// No prefix of a file is a file, wherever it is cut.
func TestEveryPrefixIsRefused(t *testing.T) {
	for _, magic := range magics() {
		whole := everything(magic)
		for n := range whole {
			err := rdb.NewDecoder(bytes.NewReader(whole[:n]), rdb.Config{}).Decode(rdb.Discard{})
			var f *rdb.FormatError
			if !errors.As(err, &f) || f.Offset > int64(n) {
				t.Fatalf("%s: the first %d of %d bytes give %v", magic, n, len(whole), err)
			}
		}
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	t.Parallel()
	for _, magic := range magics() {
		whole := everything(magic)
		for i := range 8 * len(whole) {
			flipped := slices.Clone(whole)
			flipped[i/8] ^= 1 << (i % 8)
			_ = refusal(t, flipped)
		}
	}
}

// Without a checksum the structure alone is checked: any outcome but a wrong kind of error, a panic or a hang will do.
func TestEveryFlippedBitWithoutChecksum(t *testing.T) {
	t.Parallel()
	for _, magic := range magics() {
		whole := everything(magic)
		clear(whole[len(whole)-8:])
		for i := range 8 * (len(whole) - 8) {
			flipped := slices.Clone(whole)
			flipped[i/8] ^= 1 << (i % 8)
			checkOutcome(t, flipped, rdb.NewDecoder(bytes.NewReader(flipped), rdb.Config{}).Decode(rdb.Discard{}))
		}
	}
}

func checkOutcome(t *testing.T, file []byte, err error) {
	t.Helper()
	var f *rdb.FormatError
	var u *rdb.UnsupportedError
	if err != nil && !errors.As(err, &f) && !errors.As(err, &u) {
		t.Fatalf("decoding %x gives %T %v", file, err, err)
	}
}

// mutate damages a file in one of the ways that find bugs: bits, bytes, lengths, cuts, repeats, swaps.
func mutate(rng *rand.Rand, file, other []byte) []byte {
	b := slices.Clone(file)
	for range 1 + rng.IntN(4) {
		if len(b) < 20 {
			return b
		}
		at := 9 + rng.IntN(len(b)-9)
		switch rng.IntN(8) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			b[at] = byte(rng.Uint32())
		case 2:
			b[at] = []byte{0, 1, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xfd, 0xfe, 0xff}[rng.IntN(12)]
		case 3: // a large length
			huge := binary.BigEndian.AppendUint64([]byte{0x81}, 1<<rng.IntN(64))
			b = slices.Concat(b[:at], huge[:1+8*rng.IntN(2)], b[at:])
		case 4:
			b = b[:at]
		case 5:
			b = slices.Delete(b, at, min(len(b), at+1+rng.IntN(8)))
		case 6:
			n := rng.IntN(min(64, len(b)-at) + 1)
			b = slices.Insert(b, at, b[at:at+n]...)
		default:
			from := rng.IntN(len(other))
			copy(b[at:], other[from:min(len(other), from+rng.IntN(40))])
		}
	}
	switch rng.IntN(3) {
	case 0: // a right checksum takes the damage past it
		if n := len(b) - 8; n > 9 {
			binary.LittleEndian.PutUint64(b[n:], crcOf(b[:n]))
		}
	case 1:
		clear(b[max(len(b)-8, 9):])
	}
	return b
}

// mutantBytes is what decoding a small file may allocate. Every decoder has a buffer of 256 KiB and others of together
// 200 KiB, for what is compressed or read again; the rest is in proportion to the file. The runtime counts what small
// allocations take in steps, hence the factor.
const mutantBytes = 4 << 20

// Damaged files neither panic, nor hang, nor take memory by a number that stands in them.
func TestMutants(t *testing.T) {
	seed := *mutantSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("%d mutants, -mutantseed %d", *mutants, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var files [][]byte
	for _, magic := range magics() {
		files = append(files, everything(magic))
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(128 << 20))
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	accepted, largest := 0, uint64(0)
	for i := range *mutants {
		file := mutate(rng, files[rng.IntN(len(files))], files[rng.IntN(len(files))])
		cfg := rdb.Config{Again: bytes.NewReader(file)}
		if i%4 == 0 { // the paths for large values
			cfg.MaxElement, cfg.Piece, cfg.PendingHeld = 4, 3, 1
		}
		watchdog := time.AfterFunc(20*time.Second, func() { panic(fmt.Sprintf("mutant %d hangs: %x", i, file)) })
		metrics.Read(allocated)
		before := allocated[0].Value.Uint64()
		err := rdb.NewDecoder(bytes.NewReader(file), cfg).Decode(rdb.Discard{})
		metrics.Read(allocated)
		if n := allocated[0].Value.Uint64() - before; n > mutantBytes {
			t.Fatalf("mutant %d takes %d bytes: %x", i, n, file)
		} else {
			largest = max(largest, n)
		}
		watchdog.Stop()
		checkOutcome(t, file, err)
		if err == nil {
			accepted++
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	held := m.HeapSys - m.HeapReleased
	t.Logf("%d accepted; the largest took %d KiB; the process holds %d MiB of heap", accepted, largest>>10, held>>20)
	if held > 256<<20 {
		t.Errorf("the process holds %d MiB of heap, want at most 256", held>>20)
	}
	if accepted == *mutants {
		t.Error("no mutant was refused")
	}
}

func FuzzDecode(f *testing.F) {
	for _, magic := range magics() {
		f.Add(everything(magic), uint16(0))
		f.Add(everything(magic), uint16(3))
	}
	f.Add(build("REDIS0001").raw(255).Bytes(), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, small uint16) {
		cfg := rdb.Config{Again: bytes.NewReader(file)}
		if small > 0 {
			cfg.MaxElement, cfg.Piece, cfg.PendingHeld = int(small), int(small), int(small)
		}
		whole := newRecorder()
		err := rdb.NewDecoder(bytes.NewReader(file), cfg).Decode(whole)
		checkOutcome(t, file, err)
		// However the bytes arrive, the outcome is the same.
		again := newRecorder()
		errAgain := rdb.NewDecoder(iotest.OneByteReader(bytes.NewReader(file)), cfg).Decode(again)
		if fmt.Sprint(err) != fmt.Sprint(errAgain) || differences(again.keys, whole.keys) != "" {
			t.Errorf("byte by byte: %v instead of %v; %s", errAgain, err, differences(again.keys, whole.keys))
		}
	})
}

func TestReadersOfAllKinds(t *testing.T) {
	for _, magic := range magics() {
		file := everything(magic)
		for name, r := range map[string]io.Reader{
			"byte by byte":   iotest.OneByteReader(bytes.NewReader(file)),
			"half":           iotest.HalfReader(bytes.NewReader(file)),
			"end with data":  iotest.DataErrReader(bytes.NewReader(file)),
			"empty in front": io.MultiReader(bytes.NewReader(nil), bytes.NewReader(file)),
		} {
			rec := newRecorder()
			if err := rdb.NewDecoder(r, rdb.Config{}).Decode(rec); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if diff := differences(rec.keys, wantEverything(magic)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

// An error of the reader is no damage: it is given on, wherever it comes.
func TestReaderErrors(t *testing.T) {
	broken := errors.New("broken")
	file := everything("REDIS0012")
	for n := range file {
		r := io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken))
		err := rdb.NewDecoder(r, rdb.Config{}).Decode(rdb.Discard{})
		var f *rdb.FormatError
		if !errors.Is(err, broken) || errors.As(err, &f) {
			t.Fatalf("a reader that breaks at byte %d gives %v", n, err)
		}
	}
	if err := rdb.NewDecoder(stuckReader{}, rdb.Config{}).Decode(rdb.Discard{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

// refuser returns an error from its n-th call.
type refuser struct {
	*recorder
	left int
	err  error
}

func (r *refuser) call(err error) error {
	if r.left--; r.left < 0 {
		return r.err
	}
	return err
}

func (r *refuser) Aux(n, v []byte) error            { return r.call(r.recorder.Aux(n, v)) }
func (r *refuser) DBSize(db int, k, e uint64) error { return r.call(r.recorder.DBSize(db, k, e)) }

func (r *refuser) Function(c []byte, o *rdb.Oversize) error { return r.call(r.recorder.Function(c, o)) }
func (r *refuser) Skipped(n string) error                   { return r.call(r.recorder.Skipped(n)) }
func (r *refuser) Key(k *rdb.Key) error                     { return r.call(r.recorder.Key(k)) }
func (r *refuser) EndKey() error                            { return r.call(r.recorder.EndKey()) }
func (r *refuser) Piece(b []byte) error                     { return r.call(r.recorder.Piece(b)) }
func (r *refuser) Element(b []byte) error                   { return r.call(r.recorder.Element(b)) }
func (r *refuser) Field(n, v []byte, at int64) error        { return r.call(r.recorder.Field(n, v, at)) }

func (r *refuser) Member(m []byte, s float64) error   { return r.call(r.recorder.Member(m, s)) }
func (r *refuser) Entry(e *rdb.Entry) error           { return r.call(r.recorder.Entry(e)) }
func (r *refuser) StreamInfo(i *rdb.StreamInfo) error { return r.call(r.recorder.StreamInfo(i)) }
func (r *refuser) Group(g *rdb.Group) error           { return r.call(r.recorder.Group(g)) }
func (r *refuser) Consumer(c *rdb.Consumer) error     { return r.call(r.recorder.Consumer(c)) }
func (r *refuser) Pending(p *rdb.Pending) error       { return r.call(r.recorder.Pending(p)) }
func (r *refuser) Dump(p []byte) error                { return r.call(r.recorder.Dump(p)) }
func (r *refuser) Omitted(o *rdb.Oversize) error      { return r.call(r.recorder.Omitted(o)) }

// The visitor's error ends the decoding at once and comes back unchanged, whichever call it was.
func TestVisitorErrors(t *testing.T) {
	no := errors.New("no")
	for _, magic := range magics() {
		file := everything(magic)
		for _, cfg := range []rdb.Config{{}, {MaxElement: 3, PendingHeld: 1}} {
			cfg.Again = bytes.NewReader(file)
			for n := 0; ; n++ {
				r := &refuser{recorder: newRecorder(), left: n, err: no}
				err := rdb.NewDecoder(bytes.NewReader(file), cfg).Decode(r)
				if err == nil {
					if n < 60 {
						t.Errorf("only %d calls", n)
					}
					break
				}
				if err != no || r.left != -1 { //nolint:errorlint // unchanged, as documented
					t.Fatalf("call %d: error %v, %d calls after it", n, err, -1-r.left)
				}
			}
		}
	}
}

// In steady state nothing is allocated per key or element.
func TestNoAllocationPerElement(t *testing.T) {
	allocs := func(n int) float64 {
		b := build("REDIS0012")
		for i := range n {
			name := fmt.Sprint(i)
			b.key(0, name).str("value").key(0, name+"lzf").lzf(strings.Repeat("a", 200))
			b.key(4, name+"h").len(2).str("f").str("v").raw(0xc1, 1, 2).str("w")
			b.key(16, name+"lp").str(listpackOf("f", "v", 70000, 5)).key(13, name+"zl").lzf(ziplistOf("field", strings.Repeat("v", 100), "field2", 1<<40))
			b.key(17, name+"z").str(listpackOf("m", "2.5")).key(5, name+"z2").len(1).str("m").u64(5)
			b.key(11, name+"i").str(intsetOf(8, 1<<40)).key(24, name+"t").u64(9).len(1).len(1).str("f").str("v")
			stream(b.key(21, name+"s"), 3)
			b.key(7, name+"m").len(moduleID).len(5).str("s").len(0)
		}
		file := b.end()
		return testing.AllocsPerRun(3, func() {
			if err := rdb.NewDecoder(bytes.NewReader(file), rdb.Config{}).Decode(rdb.Discard{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := allocs(20), allocs(220)
	if perKey := (many - few) / 200; perKey > 0.01 {
		t.Errorf("%.2f allocations per round of keys", perKey)
	}
}
