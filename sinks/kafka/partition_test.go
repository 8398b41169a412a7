package kafka

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// TestPartitionsAreThoseOfJava checks hashes that Apache Kafka's own tests hold (UtilsTest.testMurmur2), taken through
// Utils.toPositive and the modulo of its partitioner.
func TestPartitionsAreThoseOfJava(t *testing.T) {
	vectors := map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	}
	p := newPartitioner()
	for key, hash := range vectors {
		for _, n := range []int32{1, 2, 3, 12, 100, 4999} {
			want := (hash & 0x7fffffff) % n
			if got := p.of(&kgo.Record{Key: []byte(key)}, n); got != want {
				t.Errorf("key %q of %d partitions goes to %d, with Java to %d", key, n, got, want)
			}
		}
	}
}

func TestEmptyKeyHasOnePartition(t *testing.T) {
	p := newPartitioner()
	// Java: murmur2 of no bytes is 275646681.
	if got, want := p.of(&kgo.Record{Key: recordKey(nil)}, 1000), int32(275646681%1000); got != want {
		t.Errorf("the empty key goes to partition %d, with Java to %d", got, want)
	}
}

func TestRecordKey(t *testing.T) {
	if k := recordKey(nil); k == nil || len(k) != 0 {
		t.Errorf("no key bytes give %v, want an empty key", k)
	}
	long := bytes.Repeat([]byte{'k'}, maxKey+1)
	sum := sha256.Sum256(long)
	if k := recordKey(long); !bytes.Equal(k, sum[:]) {
		t.Errorf("a key of %d bytes gives %d bytes, want its SHA-256", len(long), len(k))
	}
	if k := recordKey(long[:maxKey]); !bytes.Equal(k, long[:maxKey]) {
		t.Errorf("a key of 64 KiB is changed")
	}
}

func TestTemplate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.StringMatching(`[a-z.]{0,5}`).Draw(t, "before")
		after := rapid.StringMatching(`[a-z.]{0,5}`).Draw(t, "after")
		db := rapid.Int32Range(0, 1<<31-1).Draw(t, "db")
		names, err := parseTemplate(before+"{source}.{db}"+after, "redis")
		if err != nil {
			t.Fatal(err)
		}
		if name := names.of(db); !names.matches(name) || names.matches(name+"x") || names.matches("x"+name) {
			t.Fatalf("topic %q of database %d is not told from others", name, db)
		}
	})
	names, err := parseTemplate("keyfeed.{source}", "redis")
	if err != nil {
		t.Fatal(err)
	}
	if names.of(3) != "keyfeed.redis" || names.of(-1) != "keyfeed.redis" || !names.matches("keyfeed.redis") || names.matches("keyfeed.redis2") {
		t.Error("a template without {db} has one topic")
	}
	perDB, err := parseTemplate("k.{db}", "redis")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"k.", "k.01", "k.-1", "k.+1", "k.1x", "k.99999999999"} {
		if perDB.matches(name) {
			t.Errorf("%q is taken for the topic of a database", name)
		}
	}
}
