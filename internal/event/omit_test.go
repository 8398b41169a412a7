package event_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"pgregory.net/rapid"

	"keyfeed/internal/event"
)

func TestOmit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSettings().Draw(t, "settings")
		enc := event.NewEncoder(s)
		long := rapid.Custom(func(t *rapid.T) []byte {
			return bytes.Repeat(genBytes(20).Draw(t, "bytes"), rapid.SampledFrom([]int{1, 1, 40, 400}).Draw(t, "times"))
		})
		strs := rapid.SliceOfN(long, 0, 4)
		e := event.Event{
			Gen: 1795311158, Offset: 1 << 62, Seq: 1 << 40, N: 1 << 40, TsMs: 1795311159408,
			Op: event.OpUpdate, DB: 15, Key: long.Draw(t, "key"), IsKey: true, Type: event.TypeString, Effect: event.EffectDelta,
			Cmd: "XGROUP CREATECONSUMER", Args: strs.Draw(t, "args"), Keys: strs.Draw(t, "keys"),
			HasExpire: true, ExpireAtMs: -1 << 62, Txn: &event.Txn{Gen: 1795311158, Offset: 1 << 62, Seq: 1 << 40, Size: 1 << 40},
		}
		all := bytes.Join(e.Args, nil)
		key := bytes.Clone(e.Key)
		var o event.Omitted
		enc.Omit(&e, &o)
		if e.Omitted != &o || e.Cause != event.CauseOversize || !bytes.Equal(e.Key, key) {
			t.Fatalf("%+v", e)
		}
		if o.Bytes != int64(len(all)) || o.SHA256 != sha256.Sum256(all) || o.KeyLeft && o.KeySHA256 != sha256.Sum256(key) {
			t.Fatalf("%+v for %d bytes", o, len(all))
		}
		got := enc.Append(nil, &e)
		if want := reference(s, &e, nil); !bytes.Equal(got, want) {
			t.Fatalf("Append gives\n%s\nwant\n%s", got, want)
		}
		if len(got) > s.MaxBytes {
			t.Fatalf("%d bytes, more than %d: %s", len(got), s.MaxBytes, got)
		}
	})
}
