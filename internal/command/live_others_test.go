package command_test

import (
	"errors"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/testenv"
)

// TestRedis62 types what Redis 6.2 sends in another form than 7.0.
func TestRedis62(t *testing.T) {
	src := testenv.Server(t, "redis-6.2")
	const (
		later = "1795311258000" // the arrival of the test's chunk and 100 s
		ttl   = `"op":"u","db":0,"key":"k","effect":"ttl",`
		set   = `"op":"u","db":0,"key":"k","type":"string","effect":"value","cmd":"SET",`
	)
	seen := play(t, src, []step{
		{"SET k v", []string{set + `"args":["v"],"expire_at_ms":-1`}},
		{"SET k v EX 100", []string{set + `"args":["v","PXAT","` + later + `"],"expire_at_ms":` + later}},
		{"SET k v EX 100 XX", []string{set + `"args":["v","PXAT","` + later + `"],"expire_at_ms":` + later}},
		{"SETEX k 100 v", []string{set + `"args":["v","PXAT","` + later + `"],"expire_at_ms":` + later}},
		{"PSETEX k 100000 v", []string{set + `"args":["v","PXAT","` + later + `"],"expire_at_ms":` + later}},
		{"GETSET k w", []string{set + `"args":["w"],"expire_at_ms":-1`}},
		{"EXPIRE k 100", []string{ttl + `"cmd":"PEXPIREAT","args":["` + later + `"],"expire_at_ms":` + later}},
		{"PEXPIRE k 100000", []string{ttl + `"cmd":"PEXPIREAT","args":["` + later + `"],"expire_at_ms":` + later}},
		{"EXPIREAT k 9999999999", []string{ttl + `"cmd":"EXPIREAT","args":["9999999999"],"expire_at_ms":9999999999000`}},
		{"PEXPIREAT k 9999999999999", []string{ttl + `"cmd":"PEXPIREAT","args":["9999999999999"],"expire_at_ms":9999999999999`}},
		{"GETEX k EX 100", []string{ttl + `"cmd":"PEXPIREAT","args":["` + later + `"],"expire_at_ms":` + later}},
		{"DUMP+k RESTORE r 100000 %", []string{`"op":"c","db":0,"key":"r","type":"string","effect":"value","cmd":"RESTORE","args":["…"],"expire_at_ms":` + later + `,"enc":"base64"`}},
		{"MULTI ; SET k v ; EXEC", []string{set + `"args":["v"],"expire_at_ms":-1`}},
		{"EVAL redis.call('set','k','1') 0", []string{set + `"args":["1"],"expire_at_ms":-1`}},
		{"SADD s a ; SPOP s", []string{
			`"op":"u","db":0,"key":"s","type":"set","effect":"put","cmd":"SADD","args":["a"]`,
			`"op":"u","db":0,"key":"s","type":"set","effect":"remove","cmd":"SREM","args":["a"]`,
		}},
		{"SCRIPT LOAD return_1", nil},
		{"SCRIPT FLUSH", nil},
	})
	if !t.Failed() {
		checkTested(t, "redis 6.2", seen)
	}
}

// TestRedis62Verbatim sees the text of a script in the stream where effects are switched off.
func TestRedis62Verbatim(t *testing.T) {
	src := testenv.Server(t, "redis-6.2", testenv.Set("lua-replicate-commands", "no"))
	r := attach(t, src)
	if err := src.Client().Eval(t.Context(), "redis.call('set','k','1')", nil).Err(); err != nil && err.Error() != "redis: nil" {
		t.Fatal(err)
	}
	r.read(t, src.Offset())
	d := command.New(settings(), command.Start{Gen: 7, Offset: r.start})
	err := d.Feed(change.Chunk{Start: r.start, Data: r.stream}, &discard{})
	if _, ok := errors.AsType[*command.VerbatimScriptError](err); !ok {
		t.Errorf("error %v, want a VerbatimScriptError; the stream is %q", err, r.stream)
	}
}

// TestValkey9 types what only Valkey 9 has, or sends in another form.
func TestValkey9(t *testing.T) {
	src := testenv.Server(t, "valkey-9")
	const (
		str  = `"op":"u","db":0,"key":"k","type":"string","effect":"value","cmd":"SET",`
		hash = `"op":"u","db":0,"key":"h","type":"hash",`
		far  = "9999999999999"
	)
	seen := play(t, src, []step{
		{"SET k v", []string{str + `"args":["v"],"expire_at_ms":-1`}},
		{"SET k w IFEQ v", []string{str + `"args":["w","IFEQ","v"],"expire_at_ms":-1`}},
		{"SET k w EX 100", []string{str + `"args":["w","PXAT","…"],"expire_at_ms":…`}},
		{"DELIFEQ k w", []string{`"op":"d","db":0,"key":"k","effect":"gone","cmd":"DEL","args":[]`}},
		{"SET k v ; EXPIRE k -1", []string{
			str + `"args":["v"],"expire_at_ms":-1`,
			`"op":"d","db":0,"key":"k","effect":"gone","cmd":"UNLINK","args":[]`,
		}},
		{"MSETEX 2 k v j w PXAT " + far, []string{
			str + `"args":["v","PXAT","` + far + `"],"expire_at_ms":` + far + ` 0/2`,
			`"op":"u","db":0,"key":"j","type":"string","effect":"value","cmd":"SET","args":["w","PXAT","` + far + `"],"expire_at_ms":` + far + ` 1/2`,
		}},
		{"HSET h f 1 g 2", []string{hash + `"effect":"put","cmd":"HSET","args":["f","1","g","2"]`}},
		{"HEXPIRE h 100 FIELDS 1 f", []string{hash + `"effect":"ttl","cmd":"HPEXPIREAT","args":["…","FIELDS","1","f"]`}},
		{"HPEXPIREAT h " + far + " FIELDS 1 f", []string{hash + `"effect":"ttl","cmd":"HPEXPIREAT","args":["` + far + `","FIELDS","1","f"]`}},
		{"HPERSIST h FIELDS 1 f", []string{hash + `"effect":"ttl","cmd":"HPERSIST","args":["FIELDS","1","f"]`}},
		{"HSETEX h PXAT " + far + " FIELDS 1 f 2", []string{hash + `"effect":"put","cmd":"HSETEX","args":["PXAT","` + far + `","FIELDS","1","f","2"]`}},
		{"HGETDEL h FIELDS 1 f", []string{hash + `"effect":"remove","cmd":"HGETDEL","args":["FIELDS","1","f"]`}},
		{"MULTI ; SELECT 3 ; SET k v ; SET k v ; SELECT 0 ; EXEC", []string{
			`"op":"u","db":3,"key":"k","type":"string","effect":"value","cmd":"SET","args":["v"],"expire_at_ms":-1,"txn":{"id":"…","seq":0,"size":2}`,
			`"op":"u","db":3,"key":"k","type":"string","effect":"value","cmd":"SET","args":["v"],"expire_at_ms":-1,"txn":{"id":"…","seq":1,"size":2,"last":true}`,
		}},
	})
	if !t.Failed() {
		checkTested(t, "valkey 9", seen)
	}
}
