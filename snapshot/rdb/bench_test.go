package rdb_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/hdt3213/rdb/model"
	"github.com/hdt3213/rdb/parser"

	"keyfeed/internal/testenv"
	"keyfeed/snapshot/rdb"
)

// benchSets are made by a script in a real server, so that the encodings are those it chooses.
func benchSets() []struct{ name, script string } {
	return []struct{ name, script string }{
		{"a small strings", `for i = 1, 400000 do redis.call('SET', 'key:' .. i, 'value-' .. i * 7) end`},
		{"b hashes of 10 strings", `for i = 1, 60000 do
			local a = {}
			for k = 1, 10 do a[#a+1] = 'field' .. k; a[#a+1] = 'value:' .. i .. ':' .. k end
			redis.call('HSET', 'hash:' .. i, unpack(a))
		end`},
		{"bint hashes of 10 integers", `for i = 1, 60000 do
			local a = {}
			for k = 1, 10 do a[#a+1] = k; a[#a+1] = i * k end
			redis.call('HSET', 'hash:' .. i, unpack(a))
		end`},
		{"c zsets of 200", `for i = 1, 6000 do
			local a = {}
			for k = 1, 200 do a[#a+1] = k * 1.5 + i; a[#a+1] = 'member:' .. i .. ':' .. k end
			redis.call('ZADD', 'zset:' .. i, unpack(a))
		end`},
		{"d lists, sets, intsets of 20", `for i = 1, 30000 do
			local l, s, n = {}, {}, {}
			for k = 1, 20 do l[k] = 'element:' .. i .. ':' .. k; s[k] = 'member:' .. i .. ':' .. k; n[k] = i * 100000 + k end
			redis.call('RPUSH', 'list:' .. i, unpack(l))
			redis.call('SADD', 'set:' .. i, unpack(s))
			redis.call('SADD', 'intset:' .. i, unpack(n))
		end`},
		{"e 1 KB strings, compressed", `for i = 1, 80000 do
			local a = {}
			for k = 1, 40 do a[k] = '{"id":' .. i * k .. ',"name":"item"}' end
			redis.call('SET', 'json:' .. i, string.sub(table.concat(a, ','), 1, 1024))
		end`},
		{"f streams of 60", `for i = 1, 6000 do
			for k = 1, 60 do redis.call('XADD', 'stream:' .. i, k .. '-1', 'temperature', k * i, 'place', 'room' .. k) end
		end`},
	}
}

// copier takes every element over, as a consumer would.
type copier struct {
	rdb.Discard
	buf []byte
	n   int
}

func (c *copier) take(b ...[]byte) error {
	if len(c.buf) > 1<<20 {
		c.buf = c.buf[:0]
	}
	for _, s := range b {
		c.buf = append(c.buf, s...)
	}
	c.n++
	return nil
}

func (c *copier) Key(k *rdb.Key) error             { return c.take(k.Name) }
func (c *copier) Piece(b []byte) error             { return c.take(b) }
func (c *copier) Element(b []byte) error           { return c.take(b) }
func (c *copier) Field(n, v []byte, _ int64) error { return c.take(n, v) }
func (c *copier) Member(m []byte, _ float64) error { return c.take(m) }
func (c *copier) Entry(e *rdb.Entry) error         { return c.take(e.Fields...) }

// cpuTime is the processor time of the process so far: other load on the machine does not count, the garbage
// collector's work does.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAgainstLibrary decodes each set alternately with this package, checksum verified, and with hdt3213/rdb, which
// verifies none, both from memory. x_library is how many times faster this package is: the least processor time of each.
func BenchmarkAgainstLibrary(b *testing.B) {
	for _, set := range benchSets() {
		b.Run(set.name, func(b *testing.B) {
			server := testenv.Redis(b)
			if err := server.Client().Eval(b.Context(), set.script, nil).Err(); err != nil && err.Error() != "redis: nil" {
				b.Fatal(err)
			}
			if err := server.Client().Save(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
			file, err := os.ReadFile(filepath.Join(server.Dir, "dump.rdb"))
			if err != nil {
				b.Fatal(err)
			}
			server.Stop()
			own, library := time.Duration(1<<62), time.Duration(1<<62)
			b.SetBytes(int64(len(file)))
			b.ResetTimer()
			for range b.N {
				start := cpuTime(b)
				c := &copier{}
				if err := rdb.NewDecoder(bytes.NewReader(file), rdb.Config{}).Decode(c); err != nil {
					b.Fatal(err)
				}
				own = min(own, cpuTime(b)-start)
				b.StopTimer()
				runtime.GC() // what the other left is not this one's
				start = cpuTime(b)
				err := parser.NewDecoder(bytes.NewReader(file)).Parse(func(model.RedisObject) bool { return true })
				if err != nil {
					b.Fatal(err)
				}
				library = min(library, cpuTime(b)-start)
				runtime.GC()
				b.StartTimer()
			}
			b.ReportMetric(float64(library)/float64(own), "x_library")
			b.ReportMetric(float64(len(file))/own.Seconds()/1e6, "MB/cpu-s")
		})
	}
}
