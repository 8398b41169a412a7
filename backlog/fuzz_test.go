package backlog_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"runtime"
	"testing"

	"keyfeed/backlog"
	"keyfeed/backlog/internal/crashfs"
	"keyfeed/internal/change"
)

// FuzzSegmentRecovery takes any bytes for the newest segment of a log. Whatever they are, opening does not panic, does
// not allocate by a number in them, and delivers only frames that stand in them with right checksums.
func FuzzSegmentRecovery(f *testing.F) {
	for _, frames := range []int{0, 1, 3} {
		fs := crashfs.New()
		paths := sample(f, fs, frames, true)
		whole := fs.Bytes(paths[0])
		f.Add(whole, false, false)
		f.Add(whole[:len(whole)-1], false, false)
		f.Add(append(whole, make([]byte, 100)...), false, true)
	}
	fs := crashfs.New()
	paths := sample(f, fs, 11, true)
	f.Add(fs.Bytes(paths[0]), false, true)
	f.Add(fs.Bytes(paths[1]), true, true)
	l, err := backlog.Open(modelDir, backlog.Config{FS: fs})
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(l.AppendHistory(idB), l.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(fs.Bytes(modelDir+"/"+backlog.SegmentName(110)), false, true)
	f.Add([]byte("KFBACKLG\x01\x00\x00\x00"), true, false)

	f.Fuzz(func(t *testing.T, b []byte, second, mended bool) {
		if mended {
			b = mend(b)
		}
		fs := crashfs.New()
		if second { // after a sealed one
			paths := sample(t, fs, 5, true)
			remove(fs, paths[1])
		}
		fs.Put(modelDir+"/"+backlog.SegmentName(startIn(b)), b)
		names, err := fs.List(modelDir)
		if err != nil {
			t.Fatal(err)
		}
		var file []byte
		for _, name := range names {
			file = append(file, fs.Bytes(modelDir+"/"+name)...)
		}

		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		recoverAll(t, fs, file)
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(40<<20+60*len(file)); got > limit {
			t.Errorf("%d bytes allocated for %d bytes of segment", got, len(file))
		}
	})
}

// mend puts right checksums, magic and version where the format has them, so that the other fields are reached.
func mend(b []byte) []byte {
	if len(b) < headerBytes {
		return b
	}
	sum := func(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
	b = bytes.Clone(b)
	copy(b, "KFBACKLG\x01\x00\x00\x00\x80\x00\x00\x00")
	binary.LittleEndian.PutUint32(b[124:], sum(b[:124]))
	for f := b[headerBytes:]; len(f) >= 40; {
		n := binary.LittleEndian.Uint32(f[8:])
		if int64(n) > int64(len(f)-40) {
			break
		}
		copy(f, "\xf5kf\xfa")
		binary.LittleEndian.PutUint32(f[32:], sum(f[40:40+n]))
		binary.LittleEndian.PutUint32(f[36:], sum(f[:36]))
		f = f[40+n:]
	}
	return b
}

// startIn is the offset that the header in b names, so that the file gets a name that fits.
func startIn(b []byte) int64 {
	if len(b) < 32 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b[24:]) & math.MaxInt64)
}

// recoverAll does everything that can be done with a log whose files hold these bytes.
func recoverAll(t *testing.T, fs *crashfs.FS, file []byte) {
	t.Helper()
	check := func(item backlog.Item) error {
		if item.History == nil && !stands(file, item.Chunk) {
			t.Errorf("the chunk at %d is not in the file", item.Chunk.Start)
		}
		return nil
	}
	err := backlog.InspectOn(fs, modelDir, backlog.Visitor{
		Frame: func(f backlog.FrameInfo) error {
			if f.Sealed {
				return nil
			}
			return check(f.Item)
		},
	})
	if err != nil && !errors.Is(err, backlog.ErrVersion) {
		t.Errorf("Inspect gives %v", err)
	}
	plan, planErr := backlog.PlanCutOn(fs, modelDir, math.MaxInt64)
	if planErr != nil && !errors.Is(planErr, backlog.ErrVersion) {
		t.Errorf("PlanCut gives %v", planErr)
	}
	l, err := backlog.Open(modelDir, backlog.Config{FS: fs})
	if errors.As(err, new(*backlog.CorruptError)) {
		// Then the cut must help.
		if err := plan.Apply(); err != nil {
			t.Fatal(err)
		}
		l, err = backlog.Open(modelDir, backlog.Config{FS: fs})
		if err == nil && l.Tail().Unit != plan.Keep {
			t.Errorf("after the cut the log ends at %v, the plan says %v", l.Tail().Unit, plan.Keep)
		}
	}
	if errors.Is(err, backlog.ErrNoLog) || errors.Is(err, backlog.ErrVersion) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := l.Cursor(l.Head())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for c.Ready() {
		item, err := c.Next(t.Context())
		if errors.As(err, new(*backlog.CorruptError)) {
			return // in a sealed segment
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := check(item); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.CutToUnit(); err != nil {
		t.Fatal(err)
	}
	tail := l.Tail().Offset
	err = l.Append(change.Chunk{Start: tail, Data: []byte("x"), UnitEnd: true})
	if err != nil && tail < math.MaxInt64-2*backlog.MaxChunk {
		t.Errorf("appending to what was recovered: %v", err)
	}
}

// stands reports whether a frame with this chunk stands in b: written anew from the format in the package's doc.
func stands(b []byte, c change.Chunk) bool {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	for {
		i := bytes.Index(b, []byte{0xf5, 0x6b, 0x66, 0xfa})
		if i < 0 {
			return false
		}
		b = b[i:]
		if len(b) >= 40+len(c.Data) &&
			binary.LittleEndian.Uint32(b[8:]) == uint32(len(c.Data)) &&
			int64(binary.LittleEndian.Uint64(b[16:])) == c.Start &&
			int64(binary.LittleEndian.Uint64(b[24:])) == c.Arrived &&
			binary.LittleEndian.Uint32(b[32:]) == crc32.Checksum(c.Data, castagnoli) &&
			binary.LittleEndian.Uint32(b[36:]) == crc32.Checksum(b[:36], castagnoli) &&
			bytes.Equal(b[40:40+len(c.Data)], c.Data) {
			return true
		}
		b = b[1:]
	}
}
