package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"keyfeed/internal/change"
	"keyfeed/internal/resp"
)

const drainBytes = 256 << 20

// BenchmarkDrain moves the same stream of SET commands with 100-byte values from a TCP connection on loopback to a file,
// through the ingest path (framing, CRC32C, a header and the data in one write) and by a bare loop of read and write
// with the buffer size that is best for it, in turns. It reports both rates and the median ratio of the pairs: go test -run - -bench Drain ./ingest
func BenchmarkDrain(b *testing.B) {
	one := resp.AppendCommand(nil, []byte("SET"), []byte("key:000000000001"), bytes.Repeat([]byte("v"), 100))
	block := bytes.Repeat(one, (1<<20)/len(one))
	total := int64(drainBytes/len(block)) * int64(len(block))
	dir := b.TempDir()
	var bare, ours time.Duration
	var ratios []float64
	for i := 0; b.Loop(); i++ {
		var o, r time.Duration
		if i%2 == 0 {
			o = drain(b, dir, block, total, drainIngest)
			r = drain(b, dir, block, total, drainBare)
		} else {
			r = drain(b, dir, block, total, drainBare)
			o = drain(b, dir, block, total, drainIngest)
		}
		ours, bare = ours+o, bare+r
		ratios = append(ratios, r.Seconds()/o.Seconds())
	}
	b.SetBytes(2 * total)
	mb := float64(total) * float64(b.N) / 1e6
	b.ReportMetric(mb/ours.Seconds(), "ingest-MB/s")
	b.ReportMetric(mb/bare.Seconds(), "bare-MB/s")
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
}

// drain sends total bytes and times how long the receiver takes.
func drain(b *testing.B, dir string, block []byte, total int64, receive func(b *testing.B, conn net.Conn, f *os.File, total int64)) time.Duration {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	sent := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			sent <- err
			return
		}
		defer conn.Close()
		for n := int64(0); n < total && err == nil; n += int64(len(block)) {
			_, err = conn.Write(block)
		}
		sent <- err
		_, _ = io.Copy(io.Discard, conn) // the ACKs, until the receiver leaves
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "drain")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	receive(b, conn, f, total)
	took := time.Since(begin)
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
	_, _, _ = conn.Close(), f.Close(), os.Remove(path)
	return took
}

func drainBare(b *testing.B, conn net.Conn, f *os.File, total int64) {
	b.Helper()
	buf := make([]byte, readSize)
	for n := int64(0); n < total; {
		got, err := conn.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Write(buf[:got]); err != nil {
			b.Fatal(err)
		}
		n += int64(got)
	}
}

func drainIngest(b *testing.B, conn net.Conn, f *os.File, total int64) {
	b.Helper()
	var st status
	lk := newLink(conn, &st.lastByte)
	lk.idle = time.Minute
	group, ctx := errgroup.WithContext(b.Context())
	whole := errors.New("all received")
	log := &fileLog{f: f, left: total, done: whole}
	s := &streamer{link: lk, frame: newFramer(0, 0, resp.Limits{}), log: log, ack: newAcker(lk, time.Second), passed: st.passed}
	s.ack.begin(log)
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	group.Go(func() error { return s.ack.run(ctx, func(f func() error) { group.Go(f) }) })
	group.Go(func() error { return s.run(ctx, group, 0) })
	if err := group.Wait(); !errors.Is(err, whole) {
		b.Fatal(err)
	}
}

// fileLog writes frames as the backlog does: a header with length, time and CRC32C, and the data; small ones in one
// write, large ones without a copy in two.
type fileLog struct {
	f    *os.File
	buf  []byte
	left int64
	done error // what Append gives after the last byte
}

func (l *fileLog) Append(c change.Chunk) error {
	if l.buf == nil {
		l.buf = make([]byte, 64<<10)
	}
	buf := l.buf[:32]
	binary.LittleEndian.PutUint64(buf, uint64(c.Start))
	binary.LittleEndian.PutUint64(buf[8:], uint64(c.Arrived))
	binary.LittleEndian.PutUint32(buf[16:], uint32(len(c.Data)))
	binary.LittleEndian.PutUint32(buf[20:], crc32.Checksum(c.Data, castagnoli))
	rest := c.Data
	if len(buf)+len(c.Data) <= cap(buf) {
		buf, rest = append(buf, c.Data...), nil
	}
	for _, p := range [][]byte{buf, rest} {
		if len(p) > 0 {
			if _, err := l.f.Write(p); err != nil {
				return err
			}
		}
	}
	if l.left -= int64(len(c.Data)); l.left == 0 {
		return l.done
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (l *fileLog) Acked() int64 { return 0 }

func (l *fileLog) AckNow(context.Context) (int64, error) { return 0, nil }
