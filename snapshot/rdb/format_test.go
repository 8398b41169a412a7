package rdb_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"keyfeed/snapshot/rdb"
)

const ttlPair = `"f"="v"@4102444800000,"g"="w"@0`

// wantEverything is what everything() holds.
func wantEverything(magic string) map[string]string {
	stream := func(scalars, read, active string) string {
		return "stream - 2 entries\n" +
			`10-1 ["a" "1" "b" "two"]` + "\n" + `12-6 ["a" "1" "a" "2"]` + "\n" +
			"len 2 last 12-6" + scalars + "\n" +
			`group "group" last 12-6 read ` + read + "\n" +
			`  consumer "one" seen 1700000000002 active ` + active + "\n" +
			`  consumer "two" seen 1700000000002 active ` + active + "\n" +
			`  consumer "idle" seen 1700000000002 active ` + active + "\n" +
			`  pending 10-1 "two" 1700000000000 1` + "\n" + `  pending 12-6 "one" 1700000000001 300`
	}
	counters := " max-deleted 11-1 added 3"
	zset := []string{
		memberText("-inf", math.Inf(-1)), memberText("inf", math.Inf(1)), memberText("nan", math.NaN()), memberText("one", 1),
	}
	m := map[string]string{
		"string":        `string 4102444800123 "value"`,
		"int":           `string 1879048192000 "12345"`,
		"lzf":           `string - "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"`,
		"long":          `list - "` + strings.Repeat("0123456789", 8) + `"`,
		"list":          `list - "a","-1","c"`,
		"set":           `set - "x","y"`,
		"zset":          "zset - " + strings.Join(zset, ","),
		"hash":          `hash - "f"="v"@0`,
		"zset2":         "zset - " + memberText("m", -0.5),
		"zipmap":        `hash - "f"="v"@0,"g"="w"@0`,
		"ziplist":       `list - "a","5","-1","1000","1048576","1073741824","1099511627776"`,
		"intset":        `set - "-1","5"`,
		"zset ziplist":  "zset - " + memberText("m", 1) + "," + memberText("n", 2.5),
		"hash ziplist":  `hash - "f"="v"@0`,
		"quicklist":     `list - "a","b","c"`,
		"stream":        stream("", "nil", ""),
		"hash listpack": `hash - "f"="v"@0,"g"="70000"@0`,
		"zset listpack": "zset - " + memberText("m", 1) + "," + memberText("n", math.Inf(-1)),
		"quicklist2":    `list - "plain","a","-5","plain too"`,
		"stream2":       stream(counters, "nil", ""),
		"set listpack":  `set - "1","a"`,
		"stream3":       stream(counters, "nil", "-1"),
	}
	version := 80
	if magic[0] == 'V' {
		m["hash2"] = "hash - " + ttlPair
	} else {
		_, _ = fmt.Sscanf(magic, "REDIS%d", &version)
		for _, name := range []string{"hash ttl rc", "hash lp ttl rc", "hash ttl", "hash lp ttl"} {
			m[name] = "hash - " + ttlPair
		}
	}
	dump := build("\x07").len(moduleID).len(2).len(5).len(1).len(9).len(3).raw(1, 2, 3, 4).len(4).u64(7).len(5).str("s").len(0)
	payload := append(dump.Bytes(), byte(version), 0)
	payload = binary.LittleEndian.AppendUint64(payload, crcOf(payload))
	m["module"] = "module:testtype1 - " + blobText(payload)
	out := map[string]string{}
	for k, v := range m {
		out[fmt.Sprintf("0/%q", k)] = v
	}
	return out
}

// Hand-made values of every type and both magics, with large and with the smallest bounds.
func TestEveryType(t *testing.T) {
	for _, magic := range []string{"REDIS0012", "REDIS0005", "VALKEY080"} {
		for name, cfg := range map[string]rdb.Config{"defaults": {}, "small": {Piece: 1, PendingHeld: 1}} {
			got := decodeBytes(t, everything(magic), cfg)
			if diff := differences(got.keys, wantEverything(magic)); diff != "" {
				t.Errorf("%s %s: %s", magic, name, diff)
			}
			skipped := map[string]int{rdb.SkipModuleAux: 1}
			if magic[0] == 'V' {
				skipped[rdb.SkipSlotImport] = 1
			}
			if fmt.Sprint(got.skipped) != fmt.Sprint(skipped) {
				t.Errorf("%s: skipped %v, want %v", magic, got.skipped, skipped)
			}
			if !slices.Equal(got.funcs, []string{"#!lua name=lib\n"}) || got.aux["redis-bits"] != "64" ||
				!slices.Equal(got.sizes, []string{"0:20:2"}) {
				t.Errorf("%s: functions %q, aux %v, sizes %v", magic, got.funcs, got.aux, got.sizes)
			}
		}
	}
}

// Files before RDB 5 have no checksum: they end with the end mark.
func TestOldVersions(t *testing.T) {
	for _, magic := range []string{"REDIS0001", "REDIS0004"} {
		b := build(magic).raw(254, 0).key(0, "k").str("v").raw(255)
		if got := decodeBytes(t, b.Bytes(), rdb.Config{}); got.keys[`0/"k"`] != `string - "v"` {
			t.Errorf("%s: %v", magic, got.keys)
		}
		_ = refusal(t, append(b.Bytes(), 0))
	}
}

// Redis drops collections without elements when it loads.
func TestEmptyCollections(t *testing.T) {
	b := build("REDIS0012")
	for code, value := range map[byte]string{
		1: "\x00", 2: "\x00", 3: "\x00", 4: "\x00", 5: "\x00", 14: "\x00", 18: "\x00", 24: "12345678\x00",
		9: build("").str(zipmapOf(0)).String(), 10: build("").str(ziplistOf()).String(),
		11: build("").str(intsetOf(2)).String(), 12: build("").str(ziplistOf()).String(),
		13: build("").str(ziplistOf()).String(), 16: build("").str(listpackOf()).String(),
		17: build("").str(listpackOf()).String(), 20: build("").str(listpackOf()).String(),
	} {
		b.raw(252).u64(1).key(code, fmt.Sprint(code)).WriteString(value)
	}
	b.key(18, "empty node").len(1).len(2).str(listpackOf())
	b.key(0, "last").str("") // an empty string is a value, and no deadline has been left over
	got := decodeBytes(t, b.end(), rdb.Config{})
	if got.skipped[rdb.SkipEmptyKey] != 17 || len(got.keys) != 1 || got.keys[`0/"last"`] != `string - ""` {
		t.Errorf("skipped %v, keys %v", got.skipped, got.keys)
	}
}

func TestZipmapLengths(t *testing.T) {
	var pairs, want []string
	for _, n := range []int{0, 1, 252, 253, 254, 255, 256, 70000} {
		name, value := strings.Repeat("n", n), strings.Repeat("v", n)
		pairs = append(pairs, name, value)
		want = append(want, fieldText(name, value, 0))
	}
	for _, free := range []int{0, 4, 253} {
		for i := range 300 { // more than the count in the header can say
			if free == 4 {
				pairs = append(pairs, fmt.Sprint("f", i), "x")
				want = append(want, fieldText(fmt.Sprint("f", i), "x", 0))
			}
		}
		slices.Sort(want)
		got := decodeBytes(t, build("REDIS0003").key(9, "k").str(zipmapOf(free, pairs...)).raw(255).Bytes(), rdb.Config{})
		if got.keys[`0/"k"`] != "hash - "+strings.Join(want, ",") {
			t.Errorf("free %d: %.500s", free, got.keys)
		}
	}
}

// A count of 65535 in the header of a packed value means that its end is where the end mark is.
func TestManyPackedElements(t *testing.T) {
	for _, n := range []int{65534, 65535, 65536, 70000} {
		items := make([]any, n)
		for i := range items {
			items[i] = fmt.Sprint("e", i)
		}
		b := build("REDIS0011")
		b.key(20, "lp").str(listpackOf(items...)).key(10, "zl").str(ziplistOf(items...))
		b.key(16, "lp pairs").lzf(listpackOf(items[:n/2*2]...)).key(13, "zl pairs").lzf(ziplistOf(items[:n/2*2]...))
		c := &counter{}
		if err := rdb.NewDecoder(bytes.NewReader(b.end()), rdb.Config{}).Decode(c); err != nil {
			t.Fatal(err)
		}
		if c.elements != 2*n || c.fields != n/2*2 {
			t.Errorf("%d elements and %d fields, want %d and %d", c.elements, c.fields, 2*n, n/2*2)
		}
	}
}

// counter counts what it is given.
type counter struct {
	rdb.Discard
	keys, elements, fields, members, entries, pending, omitted, pieces int
	bytes                                                              int64
}

func (c *counter) Key(*rdb.Key) error               { c.keys++; return nil }
func (c *counter) Element([]byte) error             { c.elements++; return nil }
func (c *counter) Field(_, _ []byte, _ int64) error { c.fields++; return nil }
func (c *counter) Member([]byte, float64) error     { c.members++; return nil }
func (c *counter) Entry(*rdb.Entry) error           { c.entries++; return nil }
func (c *counter) Pending(*rdb.Pending) error       { c.pending++; return nil }
func (c *counter) Omitted(*rdb.Oversize) error      { c.omitted++; return nil }
func (c *counter) Piece(b []byte) error             { c.pieces++; c.bytes += int64(len(b)); return nil }

func TestRefusesOtherVersions(t *testing.T) {
	for magic, want := range map[string]string{
		"REDIS0013": "Redis 8.6", "REDIS0014": "Redis 8.8", "REDIS0080": "REDIS0080", "REDIS0000": "REDIS0000",
		"VALKEY081": "Valkey 9.2", "VALKEY079": "VALKEY079",
	} {
		err := refusal(t, build(magic).end())
		var u *rdb.UnsupportedError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "VALKEY080") {
			t.Errorf("%s gives %v, want an UnsupportedError that names %s and what is read", magic, err, want)
		}
	}
}

// What is intact and not supported is named; everything else is damage.
func TestRefuses(t *testing.T) {
	r, v := "REDIS0012", "VALKEY080"
	file := func(magic string, body ...byte) []byte { return build(magic).raw(body...).end() }
	key := func(code byte, value *builder) []byte {
		return build(r).key(code, "k").raw(value.Bytes()...).end()
	}
	blob := func(s string) *builder { return build("").str(s) }
	patched := func(s string, at int, c byte) *builder {
		b := []byte(s)
		b[at] = c
		return blob(string(b))
	}
	for name, tt := range map[string]struct {
		file        []byte
		unsupported bool
	}{
		"nothing":                    {nil, false},
		"another magic":              {[]byte("RUDIS0012\xff12345678"), false},
		"letters in the version":     {[]byte("REDIS00x2\xff12345678"), false},
		"bytes after the end":        {append(build(r).end(), 0), false},
		"opcode 243 of Redis 8.6":    {file(r, 243), true},
		"opcode 246":                 {file(r, 246, 0), true},
		"opcode 242":                 {file(r, 242, 0), false},
		"type 6":                     {file(r, 6, 0), true},
		"type 8":                     {file(r, 8, 0), false},
		"type 26":                    {file(r, 26, 0), false},
		"type 24 of Valkey":          {file(v, 24, 0), true},
		"type 23 of Valkey":          {file(v, 23, 0), true},
		"database above 2^31":        {build(r).raw(254).len(1 << 31).end(), false},
		"string form as length":      {file(r, 254, 0xc0), false},
		"unknown length form":        {file(r, 254, 0x82), false},
		"unknown string form":        {file(r, 0, 0xc4), false},
		"huge string":                {build(r).key(0, "k").len(1 << 62).end(), false},
		"huge count":                 {build(r).key(4, "k").len(math.MaxUint64).end(), false},
		"huge LZF":                   {build(r).key(0, "k").raw(0xc3).len(5).len(1<<40).raw(1, 2, 3, 4, 5).end(), false},
		"huge LZF input":             {build(r).key(0, "k").raw(0xc3).len(1 << 40).len(5).end(), false},
		"empty LZF":                  {build(r).key(0, "k").raw(0xc3).len(0).len(0).end(), false},
		"LZF too short":              {key(0, build("").raw(0xc3).len(3).len(3).raw(1, 'a', 'b')), false},
		"LZF too long":               {key(0, build("").raw(0xc3).len(4).len(2).raw(2, 'a', 'b', 'c')), false},
		"LZF refers before it":       {key(0, build("").raw(0xc3).len(4).len(4).raw(0, 'a', 0x20, 9)), false},
		"LZF cut in a literal":       {key(0, build("").raw(0xc3).len(2).len(4).raw(3, 'a')), false},
		"LZF cut in a reference":     {key(0, build("").raw(0xc3).len(3).len(10).raw(0, 'a', 0xe0)), false},
		"packed as integer":          {key(16, build("").raw(0xc0, 1)), false},
		"listpack without header":    {key(16, blob("12345")), false},
		"listpack length":            {key(16, patched(listpackOf("a", "b"), 0, 99)), false},
		"listpack count":             {key(16, patched(listpackOf("a", "b"), 4, 3)), false},
		"listpack backlen":           {key(16, patched(listpackOf("a", "b"), 8, 3)), false},
		"listpack int backlen":       {key(16, patched(listpackOf(1, 2), 7, 3)), false},
		"listpack wide backlen":      {key(16, patched(listpackOf(5000, 2), 9, 2)), false},
		"listpack long backlen":      {key(20, patched(listpackOf(strings.Repeat("x", 200)), 208, 2)), false},
		"listpack encoding":          {key(16, patched(listpackOf("a", "b"), 6, 0xf5)), false},
		"listpack without end":       {key(16, patched(listpackOf("a", "b"), 12, 1)), false},
		"listpack ends early":        {key(16, patched(listpackOf("a", "b"), 9, 0xff)), false},
		"hash of three":              {key(16, blob(listpackOf("a", "b", "c"))), false},
		"zset of three":              {key(17, blob(listpackOf("a", 1, "c"))), false},
		"zset without a number":      {key(17, blob(listpackOf("a", "b"))), false},
		"zset text score":            {key(3, build("").len(1).str("m").raw(1, 'x')), false},
		"hash with half a deadline":  {key(25, build("").u64(1).str(listpackOf("f", "v"))), false},
		"deadline not a number":      {key(25, build("").u64(1).str(listpackOf("f", "v", "x"))), false},
		"negative deadline":          {key(25, build("").u64(1).str(listpackOf("f", "v", -1))), false},
		"deadline out of range":      {key(24, build("").u64(math.MaxUint64).len(1).len(1).str("f").str("v")), false},
		"ziplist length":             {key(10, patched(ziplistOf("a"), 0, 99)), false},
		"ziplist tail":               {key(10, patched(ziplistOf("a", "b"), 4, 10)), false},
		"ziplist count":              {key(10, patched(ziplistOf("a"), 8, 2)), false},
		"ziplist previous length":    {key(10, patched(ziplistOf("a", "b"), 13, 9)), false},
		"ziplist encoding":           {key(10, patched(ziplistOf("a"), 11, 0xff)), false},
		"zipmap count":               {key(9, blob("\x02\x01a\x01\x00b\xff")), false},
		"zipmap half a pair":         {key(9, blob("\x01\x01a\xff")), false},
		"zipmap free beyond the end": {key(9, blob("\x01\x01a\x01\x09b\xff")), false},
		"zipmap goes on":             {key(9, blob("\x00\xff\x00")), false},
		"intset width":               {key(11, blob(intsetOf(3, 1))), false},
		"intset count":               {key(11, patched(intsetOf(2, 1), 4, 2)), false},
		"list node form":             {key(18, build("").len(1).len(3).str("x")), false},
		"module opcode":              {key(7, build("").len(moduleID).len(6)), false},
		"module aux without when":    {build(r).raw(247).len(moduleID).len(5).end(), false},
		"module aux string form":     {build(r).raw(247).len(moduleID).len(2).len(1).len(5).raw(0xc9).end(), false},
		"stream id":                  {key(15, build("").len(1).str("short").str(nodeOf(nil))), false},
		"stream negative":            {key(15, node(listpackOf(-1, 0, 0, 0))), false},
		"stream negative fields":     {key(15, node(listpackOf(1, 0, 0, 0, 0, 0, 0, -1, 4))), false},
		"stream names without end":   {key(15, node(listpackOf(0, 0, 1, "a", 1))), false},
		"stream entry missing":       {key(15, node(listpackOf(2, 0, 0, 0, 2, 0, 0, 3))), false},
		"stream entry deleted":       {key(15, node(listpackOf(1, 0, 0, 0, 3, 0, 0, 3))), false},
		"stream entry too many":      {key(15, node(listpackOf(0, 0, 0, 0, 2, 0, 0, 3))), false},
		"stream not a number":        {key(15, node(listpackOf("x", 0, 0, 0))), false},
		"pending out of order":       {key(15, group(2, [2]uint64{2, 0}, [2]uint64{1, 0}).len(0)), false},
		"pending without consumer":   {key(15, group(1, [2]uint64{1, 0}).len(0)), false},
		"pending of two":             {key(15, group(1, [2]uint64{1, 0}).len(2).str("a").u64(0).len(1).rawID(1, 0).str("b").u64(0).len(1).rawID(1, 0)), false},
		"pending unknown":            {key(15, group(1, [2]uint64{1, 0}).len(1).str("a").u64(0).len(1).rawID(1, 1)), false},
		"pending count form":         {key(15, build("").len(0).len(0).id(0, 0).len(1).str("g").id(0, 0).len(1).rawID(1, 0).u64(0).raw(0xc0)), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := refusal(t, tt.file)
			var u *rdb.UnsupportedError
			if errors.As(err, &u) != tt.unsupported {
				t.Errorf("error is %T %v, unsupported should be %v", err, err, tt.unsupported)
			}
			if tt.unsupported && (u.Need == "" || u.Offset == 0) {
				t.Errorf("%+v names no remedy or no place", u)
			}
			if strings.Contains(err.Error(), "checksum") {
				t.Errorf("only the checksum noticed it: %v", err)
			}
		})
	}
}

// node begins a stream value with one node.
func node(lp string) *builder { return build("").len(1).str("0123456789abcdef").str(lp) }

// group begins a stream value with one group up to its consumers.
func group(n uint64, ids ...[2]uint64) *builder {
	b := build("").len(0).len(0).id(0, 0).len(1).str("g").id(0, 0).len(n)
	for _, id := range ids {
		b.rawID(id[0], id[1]).u64(5).len(1)
	}
	return b
}

// A stream whose stored length is wrong is delivered as it is, and counted.
func TestStreamLength(t *testing.T) {
	b := build("REDIS0009").key(15, "k").raw(node(nodeOf(nil, nodeEntry{fields: []string{"a", "b"}})).Bytes()...)
	got := decodeBytes(t, b.len(7).id(1, 1).len(0).end(), rdb.Config{})
	if got.skipped[rdb.SkipStreamLength] != 1 || !strings.Contains(got.keys[`0/"k"`], "1 entries") {
		t.Errorf("skipped %v, keys %v", got.skipped, got.keys)
	}
}

// What is above MaxElement comes as size and digest of the whole element, and its neighbours as they are.
func TestOversize(t *testing.T) {
	big := strings.Repeat("0123456789", 50)
	omitted := func(s ...string) string {
		all := strings.Join(s, "")
		return fmt.Sprintf("omitted<%d bytes, sha256 %x>", len(all), sha256.Sum256([]byte(all)))
	}
	left := func(s string) string { return fmt.Sprintf("<%d bytes, sha256 %x>", len(s), sha256.Sum256([]byte(s))) }
	body := build("REDIS0012")
	body.raw(250).str("aux").str(big).raw(245).str(big)
	body.key(0, "string").str(big).key(0, "lzf").lzf(big)
	body.key(1, "list").len(3).str("a").str(big).str("c").key(1, "list lzf").len(2).lzf(big).str("c")
	body.key(2, "set").len(2).str(big).str("x")
	for i, code := range []byte{4, 13, 16} {
		pack := func(items ...any) string {
			if i == 1 {
				return ziplistOf(items...)
			}
			return listpackOf(items...)
		}
		body.key(code, fmt.Sprint("hash", i))
		if code == 4 {
			body.len(4).str("f").str(big).str(big).str("v").str(big).str(big).str("a").str("b")
		} else {
			body.str(pack("f", big, big, "v", big, big, "a", "b"))
		}
	}
	body.key(9, "zipmap").str(zipmapOf(2, "f", big, big, "v", big, big, "a", "b"))
	body.key(5, "zset").len(2).str(big).u64(0).str("m").u64(math.Float64bits(2))
	body.key(17, "zset lp").str(listpackOf(big, 1, "m", 2))
	body.key(18, "plain").len(2).len(1).str(big).len(2).str(listpackOf("a", big, "c"))
	body.key(24, "ttl").u64(5).len(2).len(1).str(big).str("v").len(1).str("f").str("v")
	body.key(25, "ttl lp").u64(5).str(listpackOf("f", big, 5, "g", "v", 5))
	body.key(7, "module").len(moduleID).len(5).str(big).len(0)
	body.key(15, "stream").raw(node(nodeOf([]string{"n", "m"},
		nodeEntry{same: true, fields: []string{"a", "b"}},
		nodeEntry{same: true, fields: []string{big, "b"}},
		nodeEntry{same: true, fields: []string{"a", big}},
		nodeEntry{fields: []string{"x", big, big, "77"}},
		nodeEntry{deleted: true, fields: []string{"x", big}},
		nodeEntry{fields: []string{"p", big[:90], "q", big[:90]}},
		nodeEntry{same: true, fields: []string{"c", "d"}})).Bytes()...)
	body.len(6).id(9, 9).len(1).str(big).id(1, 1).len(1).rawID(1, 1).u64(3).len(1).len(1).str(big).u64(4).len(1).rawID(1, 1)
	body.raw(0).str(big).str("value of a big key")
	got := decodeBytes(t, body.end(), rdb.Config{MaxElement: 100, Piece: 64})

	pairs := []string{omitted("f", big), omitted(big, "v"), omitted(big, big), `"a"="b"@0`}
	slices.Sort(pairs)
	hash := "hash - " + strings.Join(pairs, ",")
	dump := build("\x07").len(moduleID).len(5).str(big).len(0).raw(12, 0)
	ids := "3472611983179986487-4051376414998685030" // the id of node()
	want := map[string]string{
		`0/"string"`: "string - " + blobText([]byte(big)), `0/"lzf"`: "string - " + blobText([]byte(big)),
		`0/"list"`: `list - "a",` + omitted(big) + `,"c"`, `0/"list lzf"`: "list - " + omitted(big) + `,"c"`,
		`0/"set"`: `set - "x",` + omitted(big), `0/"hash0"`: hash, `0/"hash1"`: hash, `0/"hash2"`: hash, `0/"zipmap"`: hash,
		`0/"zset"`: "zset - " + memberText("m", 2) + "," + omitted(big), `0/"zset lp"`: "zset - " + memberText("m", 2) + "," + omitted(big),
		`0/"plain"`:  "list - " + omitted(big) + `,"a",` + omitted(big) + `,"c"`,
		`0/"ttl"`:    `hash - "f"="v"@5,` + omitted(big, "v"),
		`0/"ttl lp"`: `hash - "g"="v"@5,` + omitted("f", big),
		`0/"module"`: "module:testtype1 - " + omitted(string(binary.LittleEndian.AppendUint64(dump.Bytes(), crcOf(dump.Bytes())))),
		`0/"stream"`: "stream - 6 entries\n" + entryText(ids, []string{"n", "a", "m", "b"}) + "\n" +
			omitted("n", big, "m", "b") + "\n" + omitted("n", "a", "m", big) + "\n" + omitted("x", big, big, "77") + "\n" +
			omitted("p", big[:90], "q", big[:90]) + "\n" + entryText(ids, []string{"n", "c", "m", "d"}) + "\n" +
			"len 6 last 9-9\n" + fmt.Sprintf("group %q last 1-1 read nil\n", left(big)) +
			fmt.Sprintf("  consumer %q seen 4 active \n", left(big)) + fmt.Sprintf("  pending 1-1 %q 3 1", left(big)),
		`0/""` + left(big): `string - "value of a big key"`,
	}
	if diff := differences(got.keys, want); diff != "" {
		t.Error(diff)
	}
	if got.skipped[rdb.SkipAux] != 1 || len(got.funcs) != 1 || got.funcs[0] != left(big) {
		t.Errorf("skipped %v, functions %q", got.skipped, got.funcs)
	}
}
