package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"keyfeed/backlog"
	"keyfeed/internal/change"
	"keyfeed/internal/resp"
)

const drainBytes = 256 << 20

// bareSize is the buffer with which the bare loop is fastest: with 512 KiB and with 4 MiB it is slower, with 2 MiB it is
// the same.
const bareSize = 1 << 20

// BenchmarkDrain moves the same stream of SET commands with 100-byte values from a TCP connection on loopback to disk, by
// a bare loop of read and write, and through the ingest path into a log of
// package backlog: "written" leaves it to the kernel when that reaches the disk, as the bare loop does, "synced" has the
// log sync every 100 ms beside, as keyfeed runs. It reports both rates and the median ratio of the pairs:
//
//	go test -run '^$' -bench Drain -benchtime 10x ./ingest
func BenchmarkDrain(b *testing.B) {
	b.Run("written", func(b *testing.B) { benchDrain(b, drainIngest(false)) })
	b.Run("synced", func(b *testing.B) { benchDrain(b, drainIngest(true)) })
}

func benchDrain(b *testing.B, drainIngest receiver) {
	b.Helper()
	one := resp.AppendCommand(nil, []byte("SET"), []byte("key:000000000001"), bytes.Repeat([]byte("v"), 100))
	block := bytes.Repeat(one, (1<<20)/len(one))
	total := int64(drainBytes/len(block)) * int64(len(block))
	var bare, ours time.Duration
	var ratios []float64
	for i := 0; b.Loop(); i++ {
		var o, r time.Duration
		if i%2 == 0 {
			o = drain(b, block, total, drainIngest)
			r = drain(b, block, total, drainBare)
		} else {
			r = drain(b, block, total, drainBare)
			o = drain(b, block, total, drainIngest)
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

// receiver writes total bytes of conn into dir and gives the time when they were written.
type receiver func(b *testing.B, conn net.Conn, dir string, total int64) time.Time

// drain sends total bytes and times how long the receiver takes.
func drain(b *testing.B, block []byte, total int64, receive receiver) time.Duration {
	b.Helper()
	dir := b.TempDir()
	defer os.RemoveAll(dir) // now, so that it stays one
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
	begin := time.Now()
	took := receive(b, conn, dir, total).Sub(begin)
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
	_ = conn.Close()
	return took
}

func drainBare(b *testing.B, conn net.Conn, dir string, total int64) time.Time {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, bareSize)
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
	return time.Now()
}

func drainIngest(sync bool) receiver {
	return func(b *testing.B, conn net.Conn, dir string, total int64) time.Time {
		b.Helper()
		var st status
		lk := newLink(conn, &st.lastByte)
		lk.idle = time.Minute
		log, err := backlog.Create(dir, backlog.Config{}, backlog.Origin{Gen: 1, ReplID: strings.Repeat("a", 40)})
		if err != nil {
			b.Fatal(err)
		}
		defer log.Close()
		group, ctx := errgroup.WithContext(b.Context())
		whole := errors.New("all received")
		store := &drainLog{log: log, end: total, done: whole}
		s := &streamer{
			link: lk, frame: newFramer(0, 0, resp.Limits{}), log: store, ack: newAcker(lk, time.Second), passed: st.passed,
		}
		s.ack.begin(store)
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		if sync {
			group.Go(func() error { return log.Run(ctx) })
		}
		group.Go(func() error { return s.ack.run(ctx, func(f func() error) { group.Go(f) }) })
		group.Go(func() error { return s.run(0) })
		if err := group.Wait(); !errors.Is(err, whole) { // after a last sync, which is not timed
			b.Fatal(err)
		}
		return store.at
	}
}

// drainLog is the log as the bridge shows it to the link, and gives done after the last byte.
type drainLog struct {
	log  *backlog.Log
	end  int64
	done error
	at   time.Time // of the last byte
}

func (l *drainLog) Append(c change.Chunk) error {
	if err := l.log.Append(c); err != nil || c.End() < l.end {
		return err
	}
	l.at = time.Now()
	return l.done
}

func (l *drainLog) Acked() int64 { return l.log.Synced() }

func (l *drainLog) AckNow(context.Context) (int64, error) { return l.log.Synced(), l.log.Sync() }
