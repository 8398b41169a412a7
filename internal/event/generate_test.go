package event_test

import (
	"pgregory.net/rapid"

	"keyfeed/internal/event"
)

// genBytes draws byte strings of every sort: plain text, text with escapes and wide characters, arbitrary bytes.
func genBytes(maxLen int) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		switch rapid.IntRange(0, 4).Draw(t, "sort") {
		case 0:
			return []byte(rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "plain"))
		case 1:
			runes := rapid.SampledFrom([]rune{
				'a', 'b', '"', '\\', '\n', '\r', '\t', '\b', '\f', 0, 1, 0x1f, ' ', 0x7f, '<', '>', '&', '/',
				0x80, 'é', '\u2028', '\u2029', '\uFFFD', '\uFFFF', '€', '𝄞', 0x10FFFF,
			})
			return []byte(rapid.StringOfN(runes, 0, min(30, maxLen), maxLen).Draw(t, "escapes"))
		case 2:
			return []byte(rapid.StringN(0, -1, maxLen).Draw(t, "text"))
		case 3:
			b := []byte(rapid.StringMatching(`[a-z]{8,40}`).Draw(t, "text"))
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			return b[:min(len(b), maxLen)]
		default:
			return rapid.SliceOfN(rapid.Byte(), 0, maxLen).Draw(t, "bytes")
		}
	})
}

func genSettings() *rapid.Generator[event.Settings] {
	return rapid.Custom(func(t *rapid.T) event.Settings {
		return event.Settings{
			Source:       rapid.StringMatching(`[a-z0-9_-]{1,48}`).Draw(t, "source"),
			MaxBytes:     rapid.IntRange(event.MinMaxBytes, 9000).Draw(t, "max bytes"),
			BinaryAlways: rapid.IntRange(0, 9).Draw(t, "binary") == 0,
		}
	})
}

func genEvent() *rapid.Generator[event.Event] {
	return rapid.Custom(func(t *rapid.T) event.Event {
		strs := rapid.SliceOfN(genBytes(64), 0, 6)
		maybe := func(name string) bool { return rapid.Bool().Draw(t, name) }
		pos := rapid.Int64Range(0, 1<<62)
		e := event.Event{
			Gen:    rapid.Uint64Range(0, 99_999_999_999).Draw(t, "gen"),
			Offset: pos.Draw(t, "offset"),
			Seq:    rapid.Int64Range(0, 99_999_999_999).Draw(t, "seq"),
			N:      rapid.Int64Range(0, 12).Draw(t, "n"),
			TsMs:   pos.Draw(t, "ts"),
			Op:     rapid.SampledFrom([]event.Op("rcudtm")).Draw(t, "op"),
			DB:     rapid.IntRange(event.NoDB, 20).Draw(t, "db"),
			Type:   rapid.SampledFrom([]string{"", event.TypeHash, "module:x\"y"}).Draw(t, "type"),
			Effect: rapid.SampledFrom([]string{"", event.EffectPut, event.EffectGone}).Draw(t, "effect"),
			Cmd:    rapid.SampledFrom([]string{"", "SET", "XGROUP CREATE", "ODD\xffNAME\n"}).Draw(t, "cmd"),
			Cause:  rapid.SampledFrom([]string{"", event.CauseMigration}).Draw(t, "cause"),
		}
		if e.Op == event.OpMessage {
			e.Kind, e.Message = genMessage(t)
		}
		if maybe("key") {
			e.IsKey, e.Key = true, genBytes(64).Draw(t, "the key")
		}
		if maybe("key_db") {
			e.HasKeyDB, e.KeyDB = true, rapid.IntRange(0, 20).Draw(t, "the key_db")
		}
		if maybe("args") {
			e.Args = strs.Draw(t, "the args")
		}
		if maybe("keys") {
			e.Keys = strs.Draw(t, "the keys")
		}
		if maybe("expire") {
			e.HasExpire, e.ExpireAtMs = true, rapid.Int64().Draw(t, "at")
		}
		for range rapid.IntRange(0, 3).Draw(t, "field expires") {
			e.FieldExpires = append(e.FieldExpires, event.FieldExpire{
				Field: genBytes(20).Draw(t, "field"), AtMs: rapid.Int64().Draw(t, "field at"),
			})
		}
		if maybe("part") {
			e.Part = &event.Part{I: pos.Draw(t, "i"), Last: maybe("last")}
		}
		if rapid.IntRange(0, 3).Draw(t, "omitted") == 0 {
			e.Omitted = &event.Omitted{Bytes: pos.Draw(t, "bytes"), KeyLeft: maybe("key left")}
			e.Omitted.SHA256[3] = rapid.Byte().Draw(t, "sha")
			e.Omitted.KeySHA256[31] = rapid.Byte().Draw(t, "key sha")
		}
		if maybe("txn") {
			e.Txn = &event.Txn{
				Gen: e.Gen, Offset: pos.Draw(t, "txn offset"), Seq: pos.Draw(t, "txn seq"),
				Size: rapid.Int64Range(0, 3000).Draw(t, "size"), Last: maybe("txn last"),
			}
		}
		if maybe("snapshot") {
			e.Snapshot = event.SnapshotTrue
		}
		return e
	})
}

func genMessage(t *rapid.T) (string, event.Message) {
	name := rapid.StringN(0, 10, -1)
	n := rapid.Int64Range(0, 1<<40)
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return event.KindSnapshotBegin, event.Begin{
			Reason: event.ReasonInitial, Server: name.Draw(t, "server"), ServerVersion: name.Draw(t, "version"),
			RDBVersion: rapid.IntRange(0, 80).Draw(t, "rdb"), ReplID: name.Draw(t, "replid"), Prev: name.Draw(t, "prev"),
		}
	case 1:
		end := event.End{Keys: n.Draw(t, "keys"), Events: n.Draw(t, "events"), Bytes: n.Draw(t, "bytes"), Ms: n.Draw(t, "ms")}
		for range rapid.IntRange(0, 2).Draw(t, "skipped") {
			end.Skipped = append(end.Skipped, event.Skip{Name: name.Draw(t, "name"), N: n.Draw(t, "count")})
		}
		return event.KindSnapshotEnd, end
	case 2:
		return event.KindHistory, event.History{PrevReplID: "a1", ReplID: rapid.StringMatching(`[0-9a-f]{40}`).Draw(t, "id")}
	case 3:
		return event.KindHeartbeat, event.Heartbeat{
			Position: name.Draw(t, "position"), Keys: n.Draw(t, "keys"), KeysKnown: rapid.Bool().Draw(t, "known"),
		}
	case 4:
		return event.KindSlots, event.Slots{Ranges: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]int {
			return [2]int{rapid.IntRange(0, 16383).Draw(t, "from"), rapid.IntRange(0, 16383).Draw(t, "to")}
		}), 0, 3).Draw(t, "ranges")}
	default:
		return event.KindUnknown, nil
	}
}
