package commandgen

import (
	"crypto/sha1" //nolint:gosec // the name that Redis gives a script
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

func itoa[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// leaf is a value for an argument that is no key, by its type and name. Names differ between versions of the servers
// ("groupname", "group"); where a name means different things, the command decides.
func (d *draft) leaf(a Arg) string {
	switch a.Type {
	case "unix-time":
		return d.unixTime(a.Name)
	case "double":
		return d.double(a.Name)
	case "pattern":
		return one(d.rng, "num:*", "str:*", "hash:*->f1", "nosort", "#")
	}
	switch a.Name {
	case "unix-time-seconds", "unix-time-milliseconds":
		return d.unixTime(a.Name)
	case "seconds", "milliseconds", "ttl":
		return d.ttl(a)
	}
	switch d.cmd.Group {
	case "stream":
		return d.stream(a)
	case "scripting":
		return d.scripting(a)
	}
	if a.Type == "integer" {
		return d.integer(a)
	}
	return d.text(a)
}

// unixTime is near, far or past. What lies between is left out: a target deletes by its own clock what is due there before
// the source's DEL arrives, if the deadline was more than a minute away when it came (docs/events.md, Replaying).
func (d *draft) unixTime(name string) string {
	at := d.opts.Now().Add(d.after())
	if d.is("XCLAIM") { // when the entry was delivered
		at = d.opts.Now().Add(-time.Duration(d.rng.IntN(100_000)) * time.Millisecond)
	}
	if strings.HasSuffix(name, "milliseconds") {
		return itoa(at.UnixMilli())
	}
	return itoa(at.Unix())
}

const far = 1000 * time.Hour

func (d *draft) near() time.Duration { return time.Duration(1+d.rng.IntN(1500)) * time.Millisecond }

// after is how far ahead a deadline is.
func (d *draft) after() time.Duration {
	switch dice := d.rng.IntN(100); {
	case dice < 20:
		return d.near()
	case dice < 25:
		return -time.Hour
	}
	return far
}

func (d *draft) ttl(a Arg) string {
	switch {
	case a.Token == "IDLETIME":
		return itoa(d.rng.IntN(1000))
	case a.Token == "BLOCK":
		return "1"
	case a.Name == "ttl":
		return one(d.rng, "0", "0", d.unixTime("milliseconds"), itoa(d.near().Milliseconds()))
	}
	after := d.after()
	if a.Name == "seconds" {
		return itoa(int64(after.Round(time.Second).Seconds()))
	}
	return itoa(after.Milliseconds())
}

func (d *draft) double(name string) string {
	switch name {
	case "timeout":
		return "0.002" // Redis 6.2 cuts it to whole milliseconds, and 0 waits for ever
	case "longitude":
		return fmt.Sprintf("%.5f", d.rng.Float64()*40)
	case "latitude":
		return fmt.Sprintf("%.5f", d.rng.Float64()*40)
	case "radius", "width", "height":
		return itoa(100 + d.rng.IntN(5000))
	case "increment": // Redis 6.2 refuses infinity and leaves an empty hash, of which no replica is told
		return strconv.FormatFloat(d.rng.NormFloat64(), 'g', 1+d.rng.IntN(17), 64)
	case "score":
		if d.kind == lex {
			return "0"
		}
	case "min", "max":
		return one(d.rng, "-inf", "+inf", d.score(), "("+itoa(d.rng.IntN(10)))
	}
	return d.score()
}

// score is a floating point number.
func (d *draft) score() string {
	return one(
		d.rng, itoa(d.rng.IntN(10)), itoa(-d.rng.IntN(10)), fmt.Sprintf("%.3f", d.rng.NormFloat64()),
		strconv.FormatFloat(d.rng.NormFloat64(), 'g', 17, 64), one(d.rng, "0", "inf", "-inf", "3e300", "1e-7"),
	)
}

func (d *draft) integer(a Arg) string {
	switch a.Name {
	case "db", "index1", "index2", "destination-db":
		return itoa(d.rng.IntN(d.opts.Databases))
	case "index":
		if d.is("SELECT") {
			return itoa(d.rng.IntN(d.opts.Databases))
		}
		return itoa(d.rng.IntN(7) - 3)
	case "port":
		return itoa(d.opts.Peer)
	case "timeout":
		return "2000"
	case "frequency":
		return itoa(d.rng.IntN(256))
	case "count":
		if d.is("LREM") {
			return itoa(d.rng.IntN(5) - 2)
		}
		return itoa(d.rng.IntN(5))
	case "start", "stop":
		return itoa(d.rng.IntN(12) - 5)
	case "weight":
		return d.score()
	case "value", "increment":
		if d.is("BITFIELD") {
			return d.bits()
		}
		if d.is("SETBIT") {
			return itoa(d.rng.IntN(2))
		}
	case "offset":
		if d.is("BITFIELD") && d.chance(30) {
			return "#" + itoa(d.rng.IntN(10))
		}
		return itoa(d.rng.IntN(200))
	}
	return one(d.rng, itoa(d.rng.IntN(10)), itoa(-d.rng.IntN(1000)), itoa(d.rng.Int64N(1<<40)))
}

// field is one of a hash. HINCRBYFLOAT has fields of its own, which no command gives a deadline: Redis 7.4 and 8.0 keep it
// in the master and replicate an HSET, which clears it.
func (d *draft) field() string {
	if d.is("HINCRBYFLOAT") || d.is("HSET", "HMSET", "HSETNX", "HINCRBY", "HDEL") && d.chance(20) {
		return "float" + itoa(d.rng.IntN(3))
	}
	return "f" + itoa(d.rng.IntN(8))
}

// bits is a number for BITFIELD that changes zeros of any width: one that changes nothing makes the string longer all the
// same, and no replica is told.
func (d *draft) bits() string {
	if d.has("FAIL") {
		return "1"
	}
	return itoa(1 + 2*d.rng.IntN(1000))
}

func (d *draft) text(a Arg) string {
	switch a.Name {
	case "encoding":
		return one(d.rng, "u1", "u4", "i5", "u8", "i16", "u32", "u63", "i64")
	case "operation":
		return one(d.rng, "AND", "OR", "XOR", "NOT")
	case "subcommand":
		return one(d.rng, "TODENSE", "TODENSE", "ENCODING", "DECODE", "GETREG")
	case "serialized-value":
		return d.payload()
	case "host":
		return "127.0.0.1"
	case "min", "max":
		if d.is("ZREMRANGEBYLEX") || d.chance(30) {
			return one(d.rng, "-", "+", "[m"+itoa(d.rng.IntN(10)), "(m"+itoa(d.rng.IntN(10)))
		}
		return one(d.rng, "0", "-1", "-inf", "+inf", itoa(d.rng.IntN(10)))
	case "field":
		return d.field()
	case "member":
		if d.kind == "set" {
			return d.element()
		}
		return "m" + itoa(d.rng.IntN(10))
	case "element", "pivot":
		return d.element()
	case "channel", "shardchannel":
		return "channel" + itoa(d.rng.IntN(3))
	}
	return d.content()
}

// element is of a list or set: a number mostly, so that they meet, and SORT works.
func (d *draft) element() string {
	if d.chance(90) {
		return itoa(d.rng.IntN(20))
	}
	return d.content()
}

// content is any value.
func (d *draft) content() string {
	switch dice := d.rng.IntN(100); {
	case dice < 50:
		return itoa(d.rng.IntN(10))
	case dice < 60:
		return d.score()
	case dice < 75:
		return fmt.Sprintf("text \"%d\" мир", d.rng.IntN(1000))
	case dice < 90:
		b := make([]byte, d.rng.IntN(40))
		for i := range b {
			b[i] = byte(d.rng.Uint32())
		}
		return string(b)
	case dice < 99:
		return ""
	}
	return strings.Repeat(itoa(d.rng.IntN(1000))+" ", 2000)
}

func (d *draft) payload() string {
	of := d.opts.Payloads[d.kind]
	if len(of) == 0 {
		return d.content()
	}
	return one(d.rng, of...)
}

// firstEntry is the time in the ids of stream entries: later than any clock of a test, so that an id that the server
// draws itself is the successor of the last one, and ids meet.
const firstEntry = 4_102_444_800_000

// entry is an id of an entry that may be there.
func (d *draft) entry() string {
	return fmt.Sprintf("%d-%d", firstEntry+max(0, d.entries-int64(d.rng.IntN(12))), d.rng.IntN(2))
}

func (d *draft) stream(a Arg) string {
	switch a.Name {
	case "group", "groupname":
		return one(d.rng, "g0", "g0", "g0", "g1")
	case "consumer", "consumername":
		return one(d.rng, "alice", "bob", "c\xff")
	case "field":
		return "f" + itoa(d.rng.IntN(8))
	case "value":
		return d.content()
	case "start":
		return one(d.rng, "-", "0-0", d.entry())
	case "min-idle-time", "ms":
		return one(d.rng, "0", "0", "1", itoa(d.rng.IntN(1000)))
	case "threshold":
		if d.has("MINID") {
			return d.entry()
		}
		return itoa(d.rng.IntN(20))
	case "last-id":
		return fmt.Sprintf("%d-%d", firstEntry+d.entries, d.rng.IntN(5))
	case "entries_read", "entriesread", "entries_added", "entries-added":
		return itoa(d.rng.IntN(60))
	case "count":
		if a.Token == "RETRYCOUNT" {
			return itoa(d.rng.IntN(9))
		}
		return itoa(1 + d.rng.IntN(5))
	case "id":
		switch {
		case d.is("XADD"):
			if d.chance(15) { // so that the streams share their ids, mostly
				d.entries++
			}
			return fmt.Sprintf("%d-%s", firstEntry+d.entries, one(d.rng, "0", "1", "1", "*"))
		case d.is("XREADGROUP"):
			return ">" // reading again what was delivered counts it as delivered again, and no replica is told
		case d.is("XGROUP CREATE", "XGROUP SETID") && d.chance(50):
			return "0"
		}
	}
	return d.entry()
}

// scripts write to their keys, of whatever type they are.
func scripts() []string {
	return []string{
		`for _, k in ipairs(KEYS) do redis.pcall('APPEND', k, ARGV[1] or 'x'); redis.pcall('SADD', k, unpack(ARGV)) end return #KEYS`,
		`for i, k in ipairs(KEYS) do redis.pcall('HINCRBY', k, 'f1', i); redis.pcall('RPUSH', k, i); redis.pcall('EXPIRE', k, 360000) end return 1`,
		`local r = {} for _, k in ipairs(KEYS) do r[#r + 1] = redis.pcall('SPOP', k); redis.pcall('ZADD', k, 1, 'm1'); redis.pcall('INCR', k) end return #r`,
	}
}

func (d *draft) scripting(a Arg) string {
	switch a.Name {
	case "script":
		return one(d.rng, scripts()...)
	case "sha1":
		sum := sha1.Sum([]byte(one(d.rng, scripts()...))) //nolint:gosec // the name that Redis gives a script
		return hex.EncodeToString(sum[:])
	case "function":
		return "function" + itoa(d.rng.IntN(3))
	case "library-name":
		return "library" + itoa(d.rng.IntN(3))
	case "function-code":
		return Library(d.rng.IntN(3), one(d.rng, scripts()...))
	case "serialized-value":
		return d.opts.Functions
	}
	return d.content()
}

// Library is the code of library number i, whose one function is the script.
func Library(i int, script string) string {
	return fmt.Sprintf("#!lua name=library%d\nredis.register_function('function%d', function(KEYS, ARGV) %s end)\n", i, i, script)
}
