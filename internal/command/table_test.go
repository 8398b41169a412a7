package command_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestRows holds every row of the table to what docs/events.md says of it. The expectations are written by hand from
// that page: the JSON from op to what stands before ts_ms, then seq/n.
func TestRows(t *testing.T) {
	const (
		str    = `"op":"u","db":0,"key":"k","type":"string",`
		list   = `"op":"u","db":0,"key":"k","type":"list",`
		set    = `"op":"u","db":0,"key":"k","type":"set",`
		hash   = `"op":"u","db":0,"key":"k","type":"hash",`
		zset   = `"op":"u","db":0,"key":"k","type":"zset",`
		strm   = `"op":"u","db":0,"key":"k","type":"stream",`
		array  = `"op":"u","db":0,"key":"k","type":"array",`
		vset   = `"op":"u","db":0,"key":"k","type":"module:vectorset",`
		plain  = `"op":"u","db":0,"key":"k",`
		strD   = `"op":"u","db":0,"key":"d","type":"string",`
		setD   = `"op":"u","db":0,"key":"d","type":"set",`
		zsetD  = `"op":"u","db":0,"key":"d","type":"zset",`
		value  = `"effect":"value",`
		put    = `"effect":"put",`
		remove = `"effect":"remove",`
		delta  = `"effect":"delta",`
		derive = `"effect":"derive",`
		meta   = `"effect":"meta",`
		ttl    = `"effect":"ttl",`
		gone   = `"effect":"gone",`
		never  = `"expire_at_ms":-1`
		one    = ` 0/1`
	)
	unknown := func(cmd, args string) []string {
		return []string{`"op":"m","kind":"unknown","db":0,"cmd":"` + cmd + `","args":[` + args + `]` + one}
	}
	seen := map[string]bool{"EVAL": true, "EVALSHA": true} // TestVerbatimScript
	for _, tt := range []struct {
		in   string
		want []string
	}{
		// No event.
		{"ping", nil},
		{"SELECT 0", nil},
		{"MULTI", nil}, // no EXEC: nothing yet
		{"EXEC", nil},
		{"REPLCONF GETACK *", nil},
		{"REPLCONF TIMESTAMP 1", nil},
		{"SCRIPT LOAD return", nil},
		{"SCRIPT FLUSH", nil},
		{"SCRIPT ANY", nil},
		{"CLUSTER SETSLOT 1 NODE x", nil},
		{"CLUSTER SYNCSLOTS FINISH STATE success", nil},
		{"CLUSTER FAILOVER FORCE REPLICAID x", nil},

		// One key.
		{"APPEND k v", []string{str + delta + `"cmd":"APPEND","args":["v"]` + one}},
		{"ARDEL k 1 2", []string{array + remove + `"cmd":"ARDEL","args":["1","2"]` + one}},
		{"ARDELRANGE k 1 2", []string{array + remove + `"cmd":"ARDELRANGE","args":["1","2"]` + one}},
		{"ARINSERT k v", []string{array + delta + `"cmd":"ARINSERT","args":["v"]` + one}},
		{"ARMSET k 1 v 2 w", []string{array + put + `"cmd":"ARMSET","args":["1","v","2","w"]` + one}},
		{"ARRING k 5 v", []string{array + delta + `"cmd":"ARRING","args":["5","v"]` + one}},
		{"ARSEEK k 5", []string{array + meta + `"cmd":"ARSEEK","args":["5"]` + one}},
		{"ARSET k 1 v w", []string{array + put + `"cmd":"ARSET","args":["1","v","w"]` + one}},
		{"BITFIELD k SET u8 0 255 GET u8 0", []string{str + delta + `"cmd":"BITFIELD","args":["SET","u8","0","255","GET","u8","0"]` + one}},
		{"DECR k", []string{str + delta + `"cmd":"DECR","args":[]` + one}},
		{"DECRBY k 2", []string{str + delta + `"cmd":"DECRBY","args":["2"]` + one}},
		{"INCR k", []string{str + delta + `"cmd":"INCR","args":[]` + one}},
		{"INCRBY k 2", []string{str + delta + `"cmd":"INCRBY","args":["2"]` + one}},
		{"GETSET k v", []string{str + value + `"cmd":"GETSET","args":["v"],` + never + one}},
		{"HDEL k f g", []string{hash + remove + `"cmd":"HDEL","args":["f","g"]` + one}},
		{"HGETDEL k FIELDS 1 f", []string{hash + remove + `"cmd":"HGETDEL","args":["FIELDS","1","f"]` + one}},
		{"HINCRBY k f 2", []string{hash + delta + `"cmd":"HINCRBY","args":["f","2"]` + one}},
		{"HMSET k f v", []string{hash + put + `"cmd":"HMSET","args":["f","v"]` + one}},
		{"HSET k f v g w", []string{hash + put + `"cmd":"HSET","args":["f","v","g","w"]` + one}},
		{"HSETNX k f v", []string{hash + put + `"cmd":"HSETNX","args":["f","v"]` + one}},
		{"HSETEX k PXAT 5 FIELDS 1 f v", []string{hash + put + `"cmd":"HSETEX","args":["PXAT","5","FIELDS","1","f","v"]` + one}},
		{"HPERSIST k FIELDS 1 f", []string{hash + ttl + `"cmd":"HPERSIST","args":["FIELDS","1","f"]` + one}},
		{"HPEXPIREAT k 5 FIELDS 1 f", []string{hash + ttl + `"cmd":"HPEXPIREAT","args":["5","FIELDS","1","f"]` + one}},
		{"LINSERT k BEFORE p v", []string{list + delta + `"cmd":"LINSERT","args":["BEFORE","p","v"]` + one}},
		{"LPOP k", []string{list + delta + `"cmd":"LPOP","args":[]` + one}},
		{"RPOP k 2", []string{list + delta + `"cmd":"RPOP","args":["2"]` + one}},
		{"LPUSH k a b", []string{list + delta + `"cmd":"LPUSH","args":["a","b"]` + one}},
		{"LPUSHX k a", []string{list + delta + `"cmd":"LPUSHX","args":["a"]` + one}},
		{"RPUSH k a", []string{list + delta + `"cmd":"RPUSH","args":["a"]` + one}},
		{"RPUSHX k a", []string{list + delta + `"cmd":"RPUSHX","args":["a"]` + one}},
		{"LREM k 1 a", []string{list + delta + `"cmd":"LREM","args":["1","a"]` + one}},
		{"LSET k 1 a", []string{list + delta + `"cmd":"LSET","args":["1","a"]` + one}},
		{"LTRIM k 1 2", []string{list + delta + `"cmd":"LTRIM","args":["1","2"]` + one}},
		{"PERSIST k", []string{plain + ttl + `"cmd":"PERSIST","args":[],` + never + one}},
		{"PFADD k a", []string{str + delta + `"cmd":"PFADD","args":["a"]` + one}},
		{"PFCOUNT k", []string{str + delta + `"cmd":"PFCOUNT","args":[]` + one}},
		{"SADD k a b", []string{set + put + `"cmd":"SADD","args":["a","b"]` + one}},
		{"SREM k a", []string{set + remove + `"cmd":"SREM","args":["a"]` + one}},
		{"SETBIT k 7 1", []string{str + delta + `"cmd":"SETBIT","args":["7","1"]` + one}},
		{"SETRANGE k 7 v", []string{str + delta + `"cmd":"SETRANGE","args":["7","v"]` + one}},
		{"XACK k g 1-0", []string{strm + meta + `"cmd":"XACK","args":["g","1-0"]` + one}},
		{"XACKDEL k g IDS 1 1-0", []string{strm + remove + `"cmd":"XACKDEL","args":["g","IDS","1","1-0"]` + one}},
		{"XADD k 1-0 f v", []string{strm + put + `"cmd":"XADD","args":["1-0","f","v"]` + one}},
		{"XCFGSET k IDMP-DURATION 5", []string{strm + meta + `"cmd":"XCFGSET","args":["IDMP-DURATION","5"]` + one}},
		{"XCLAIM k g c 0 1-0 TIME 5 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0", []string{strm + meta + `"cmd":"XCLAIM","args":["g","c","0","1-0","TIME","5","RETRYCOUNT","1","FORCE","JUSTID","LASTID","1-0"]` + one}},
		{"XDEL k 1-0", []string{strm + remove + `"cmd":"XDEL","args":["1-0"]` + one}},
		{"XDELEX k IDS 1 1-0", []string{strm + remove + `"cmd":"XDELEX","args":["IDS","1","1-0"]` + one}},
		{"XIDMPRECORD k a", []string{strm + meta + `"cmd":"XIDMPRECORD","args":["a"]` + one}},
		{"XNACK k g 1-0", []string{strm + meta + `"cmd":"XNACK","args":["g","1-0"]` + one}},
		{"XSETID k 5-0 ENTRIESADDED 1", []string{strm + meta + `"cmd":"XSETID","args":["5-0","ENTRIESADDED","1"]` + one}},
		{"XTRIM k MAXLEN = 5", []string{strm + delta + `"cmd":"XTRIM","args":["MAXLEN","=","5"]` + one}},
		{"ZADD k NX 1 a", []string{zset + put + `"cmd":"ZADD","args":["NX","1","a"]` + one}},
		{"zadd k 3479099956230698 Palermo", []string{zset + put + `"cmd":"ZADD","args":["3479099956230698","Palermo"]` + one}},
		{"ZADD k incr 1 a", []string{zset + delta + `"cmd":"ZADD","args":["incr","1","a"]` + one}},
		{"ZADD k 1 INCR", []string{zset + put + `"cmd":"ZADD","args":["1","INCR"]` + one}},
		{"ZINCRBY k 1.5 a", []string{zset + delta + `"cmd":"ZINCRBY","args":["1.5","a"]` + one}},
		{"ZPOPMAX k", []string{zset + delta + `"cmd":"ZPOPMAX","args":[]` + one}},
		{"ZPOPMIN k 2", []string{zset + delta + `"cmd":"ZPOPMIN","args":["2"]` + one}},
		{"ZREM k a", []string{zset + remove + `"cmd":"ZREM","args":["a"]` + one}},
		{"ZREMRANGEBYLEX k [a [b", []string{zset + delta + `"cmd":"ZREMRANGEBYLEX","args":["[a","[b"]` + one}},
		{"ZREMRANGEBYRANK k 0 1", []string{zset + delta + `"cmd":"ZREMRANGEBYRANK","args":["0","1"]` + one}},
		{"ZREMRANGEBYSCORE k 0 1", []string{zset + delta + `"cmd":"ZREMRANGEBYSCORE","args":["0","1"]` + one}},
		{"GCRASETVALUE k v", []string{plain + value + `"cmd":"GCRASETVALUE","args":["v"]` + one}},
		{"VADD k VALUES 1 1 e", []string{vset + put + `"cmd":"VADD","args":["VALUES","1","1","e"]` + one}},
		{"VREM k e", []string{vset + remove + `"cmd":"VREM","args":["e"]` + one}},
		{"VSETATTR k e {}", []string{vset + put + `"cmd":"VSETATTR","args":["e","{}"]` + one}},

		// SET and its old forms.
		{"SET k v", []string{str + value + `"cmd":"SET","args":["v"],` + never + one}},
		{"SET k NX", []string{str + value + `"cmd":"SET","args":["NX"],` + never + one}},
		{"SET k v nx", []string{`"op":"c"` + strings.TrimPrefix(str, `"op":"u"`) + value + `"cmd":"SET","args":["v","nx"],` + never + one}},
		{"SET k v XX", []string{str + value + `"cmd":"SET","args":["v","XX"],` + never + one}},
		{"SET k v KEEPTTL", []string{str + value + `"cmd":"SET","args":["v","KEEPTTL"]` + one}},
		{"SET k v PXAT 9007199254740993", []string{str + value + `"cmd":"SET","args":["v","PXAT","9007199254740993"],"expire_at_ms":9007199254740993` + one}},
		{"SET k v EXAT 1795311159", []string{str + value + `"cmd":"SET","args":["v","EXAT","1795311159"],"expire_at_ms":1795311159000` + one}},
		{"SET k v IFEQ x PXAT 5", []string{str + value + `"cmd":"SET","args":["v","IFEQ","x","PXAT","5"],"expire_at_ms":5` + one}},
		{"SET k v IFEQ NX", []string{str + value + `"cmd":"SET","args":["v","IFEQ","NX"],` + never + one}},
		{"SET k v XX EX 10", []string{str + value + `"cmd":"SET","args":["v","XX","PXAT","1795311168000"],"expire_at_ms":1795311168000` + one}},
		{"SET k v px 10 XX", []string{str + value + `"cmd":"SET","args":["v","PXAT","1795311158010","XX"],"expire_at_ms":1795311158010` + one}},
		{"SETEX k 10 v", []string{str + value + `"cmd":"SET","args":["v","PXAT","1795311168000"],"expire_at_ms":1795311168000` + one}},
		{"PSETEX k 10 v", []string{str + value + `"cmd":"SET","args":["v","PXAT","1795311158010"],"expire_at_ms":1795311158010` + one}},
		{"SETNX k v", []string{`"op":"c","db":0,"key":"k","type":"string",` + value + `"cmd":"SETNX","args":["v"],` + never + one}},

		// Deadlines.
		{"EXPIRE k 10", []string{plain + ttl + `"cmd":"PEXPIREAT","args":["1795311168000"],"expire_at_ms":1795311168000` + one}},
		{"PEXPIRE k 10", []string{plain + ttl + `"cmd":"PEXPIREAT","args":["1795311158010"],"expire_at_ms":1795311158010` + one}},
		{"EXPIREAT k 10", []string{plain + ttl + `"cmd":"EXPIREAT","args":["10"],"expire_at_ms":10000` + one}},
		{"PEXPIREAT k 10 NX", []string{plain + ttl + `"cmd":"PEXPIREAT","args":["10","NX"],"expire_at_ms":10` + one}},

		// RESTORE. The payload's first byte is a digit here: 'a' (97) is no type of any server, \x00 cannot be written.
		{"RESTORE k 0 abc", []string{`"op":"c","db":0,"key":"k",` + value + `"cmd":"RESTORE","args":["0","abc"],` + never + one}},
		{"RESTORE k 10 abc REPLACE", []string{plain + value + `"cmd":"RESTORE","args":["1795311158010","abc","REPLACE","ABSTTL"],"expire_at_ms":1795311158010` + one}},
		{"RESTORE k 10 abc REPLACE ABSTTL FREQ 3", []string{plain + value + `"cmd":"RESTORE","args":["10","abc","REPLACE","ABSTTL","FREQ","3"],"expire_at_ms":10` + one}},
		{"RESTORE-ASKING k 10 abc ABSTTL", []string{`"op":"c","db":0,"key":"k",` + value + `"cmd":"RESTORE-ASKING","args":["10","abc","ABSTTL"],"expire_at_ms":10` + one}},

		// Several keys.
		{"DEL a b a", []string{
			`"op":"d","db":0,"key":"a",` + gone + `"cmd":"DEL","args":[] 0/3`,
			`"op":"d","db":0,"key":"b",` + gone + `"cmd":"DEL","args":[] 1/3`,
			`"op":"d","db":0,"key":"a",` + gone + `"cmd":"DEL","args":[] 2/3`,
		}},
		{"unlink a", []string{`"op":"d","db":0,"key":"a",` + gone + `"cmd":"UNLINK","args":[]` + one}},
		{"DELEX k", []string{`"op":"d","db":0,"key":"k",` + gone + `"cmd":"DEL","args":[]` + one}},
		{"MSET a 1 b 2", []string{
			`"op":"u","db":0,"key":"a","type":"string",` + value + `"cmd":"SET","args":["1"],` + never + ` 0/2`,
			`"op":"u","db":0,"key":"b","type":"string",` + value + `"cmd":"SET","args":["2"],` + never + ` 1/2`,
		}},
		{"MSETNX a 1", []string{`"op":"c","db":0,"key":"a","type":"string",` + value + `"cmd":"SET","args":["1"],` + never + one}},
		{"MSETEX 2 a 1 b 2 PXAT 5", []string{
			`"op":"u","db":0,"key":"a","type":"string",` + value + `"cmd":"SET","args":["1","PXAT","5"],"expire_at_ms":5 0/2`,
			`"op":"u","db":0,"key":"b","type":"string",` + value + `"cmd":"SET","args":["2","PXAT","5"],"expire_at_ms":5 1/2`,
		}},
		{"MSETEX 1 a 1 exat 5 NX", []string{`"op":"c","db":0,"key":"a","type":"string",` + value + `"cmd":"SET","args":["1","EXAT","5"],"expire_at_ms":5000` + one}},
		{"MSETEX 1 a 1 EX 5", []string{`"op":"u","db":0,"key":"a","type":"string",` + value + `"cmd":"SET","args":["1","PXAT","1795311163000"],"expire_at_ms":1795311163000` + one}},
		{"MSETEX 1 a 1 XX keepttl", []string{`"op":"u","db":0,"key":"a","type":"string",` + value + `"cmd":"SET","args":["1","KEEPTTL"]` + one}},
		{"MSETEX 1 a 1", []string{`"op":"u","db":0,"key":"a","type":"string",` + value + `"cmd":"SET","args":["1"],` + never + one}},
		{"RENAME a b", []string{
			`"op":"d","db":0,"key":"a",` + gone + `"cmd":"RENAME","args":["a","b"],"keys":["a","b"] 0/2`,
			`"op":"u","db":0,"key":"b",` + derive + `"cmd":"RENAME","args":["a","b"],"keys":["a","b"] 1/2`,
		}},
		{"RENAMENX a b", []string{
			`"op":"d","db":0,"key":"a",` + gone + `"cmd":"RENAMENX","args":["a","b"],"keys":["a","b"] 0/2`,
			`"op":"c","db":0,"key":"b",` + derive + `"cmd":"RENAMENX","args":["a","b"],"keys":["a","b"] 1/2`,
		}},
		{"MOVE k 3", []string{
			`"op":"d","db":0,"key":"k",` + gone + `"cmd":"MOVE","args":["k","3"],"keys":["k","k"] 0/2`,
			`"op":"c","db":0,"key":"k","key_db":3,` + derive + `"cmd":"MOVE","args":["k","3"],"keys":["k","k"] 1/2`,
		}},
		{"COPY a b", []string{`"op":"c","db":0,"key":"b",` + derive + `"cmd":"COPY","args":["a","b"],"keys":["b"]` + one}},
		{"COPY a b REPLACE DB 4", []string{`"op":"u","db":0,"key":"b","key_db":4,` + derive + `"cmd":"COPY","args":["a","b","REPLACE","DB","4"],"keys":["b"]` + one}},
		{"COPY a b DB 0", []string{`"op":"c","db":0,"key":"b",` + derive + `"cmd":"COPY","args":["a","b","DB","0"],"keys":["b"]` + one}},
		{"SMOVE a b m", []string{
			`"op":"u","db":0,"key":"a","type":"set",` + delta + `"cmd":"SMOVE","args":["a","b","m"],"keys":["a","b"] 0/2`,
			`"op":"u","db":0,"key":"b","type":"set",` + delta + `"cmd":"SMOVE","args":["a","b","m"],"keys":["a","b"] 1/2`,
		}},
		{"LMOVE a b LEFT RIGHT", []string{
			`"op":"u","db":0,"key":"a","type":"list",` + delta + `"cmd":"LMOVE","args":["a","b","LEFT","RIGHT"],"keys":["a","b"] 0/2`,
			`"op":"u","db":0,"key":"b","type":"list",` + delta + `"cmd":"LMOVE","args":["a","b","LEFT","RIGHT"],"keys":["a","b"] 1/2`,
		}},
		{"RPOPLPUSH a a", []string{`"op":"u","db":0,"key":"a","type":"list",` + delta + `"cmd":"RPOPLPUSH","args":["a","a"],"keys":["a"]` + one}},
		{"BRPOPLPUSH a b 0", []string{
			`"op":"u","db":0,"key":"a","type":"list",` + delta + `"cmd":"BRPOPLPUSH","args":["a","b","0"],"keys":["a","b"] 0/2`,
			`"op":"u","db":0,"key":"b","type":"list",` + delta + `"cmd":"BRPOPLPUSH","args":["a","b","0"],"keys":["a","b"] 1/2`,
		}},

		// From other keys.
		{"SDIFFSTORE d a b", []string{setD + derive + `"cmd":"SDIFFSTORE","args":["d","a","b"],"keys":["d"],` + never + one}},
		{"SINTERSTORE d a", []string{setD + derive + `"cmd":"SINTERSTORE","args":["d","a"],"keys":["d"],` + never + one}},
		{"SUNIONSTORE d a", []string{setD + derive + `"cmd":"SUNIONSTORE","args":["d","a"],"keys":["d"],` + never + one}},
		{"ZDIFFSTORE d 1 a", []string{zsetD + derive + `"cmd":"ZDIFFSTORE","args":["d","1","a"],"keys":["d"],` + never + one}},
		{"ZINTERSTORE d 1 a", []string{zsetD + derive + `"cmd":"ZINTERSTORE","args":["d","1","a"],"keys":["d"],` + never + one}},
		{"ZUNIONSTORE d 1 a", []string{zsetD + derive + `"cmd":"ZUNIONSTORE","args":["d","1","a"],"keys":["d"],` + never + one}},
		{"ZRANGESTORE d a 0 -1", []string{zsetD + derive + `"cmd":"ZRANGESTORE","args":["d","a","0","-1"],"keys":["d"],` + never + one}},
		{"GEOSEARCHSTORE d a FROMMEMBER m BYRADIUS 1 m", []string{zsetD + derive + `"cmd":"GEOSEARCHSTORE","args":["d","a","FROMMEMBER","m","BYRADIUS","1","m"],"keys":["d"],` + never + one}},
		{"PFMERGE d a b", []string{strD + derive + `"cmd":"PFMERGE","args":["d","a","b"],"keys":["d"]` + one}},
		{"BITOP AND d a b", []string{strD + derive + `"cmd":"BITOP","args":["AND","d","a","b"],"keys":["d"],` + never + one}},
		{"SORT a BY store STORE x GET store LIMIT 0 store STORE d ALPHA", []string{`"op":"u","db":0,"key":"d","type":"list",` + derive +
			`"cmd":"SORT","args":["a","BY","store","STORE","x","GET","store","LIMIT","0","store","STORE","d","ALPHA"],"keys":["d"],` + never + one}},
		{"GEORADIUS a 1 2 3 km COUNT 5 STOREDIST x STORE d", []string{zsetD + derive + `"cmd":"GEORADIUS","args":["a","1","2","3","km","COUNT","5","STOREDIST","x","STORE","d"],"keys":["d"],` + never + one}},
		{"GEORADIUSBYMEMBER a store 3 km store d", []string{zsetD + derive + `"cmd":"GEORADIUSBYMEMBER","args":["a","store","3","km","store","d"],"keys":["d"],` + never + one}},

		// Container commands on a key.
		{"XGROUP CREATE k g $ MKSTREAM", []string{strm + meta + `"cmd":"XGROUP CREATE","args":["g","$","MKSTREAM"]` + one}},
		{"xgroup createconsumer k g c", []string{strm + meta + `"cmd":"XGROUP CREATECONSUMER","args":["g","c"]` + one}},
		{"XGROUP DELCONSUMER k g c", []string{strm + meta + `"cmd":"XGROUP DELCONSUMER","args":["g","c"]` + one}},
		{"XGROUP DESTROY k g", []string{strm + meta + `"cmd":"XGROUP DESTROY","args":["g"]` + one}},
		{"XGROUP SETID k g 5-0", []string{strm + meta + `"cmd":"XGROUP SETID","args":["g","5-0"]` + one}},
		{"XGROUP later k g", []string{strm + meta + `"cmd":"XGROUP LATER","args":["g"]` + one}},
		{"PFDEBUG todense k", []string{str + delta + `"cmd":"PFDEBUG TODENSE","args":[]` + one}},

		// Databases, messages.
		{"FLUSHDB ASYNC", []string{`"op":"t","db":0,"cmd":"FLUSHDB","args":["ASYNC"]` + one}},
		{"FLUSHALL", []string{`"op":"t","cmd":"FLUSHALL","args":[]` + one}},
		{"SWAPDB 0 5", []string{`"op":"m","kind":"swapdb","cmd":"SWAPDB","args":["0","5"]` + one}},
		{"FUNCTION LOAD REPLACE code", []string{`"op":"m","kind":"function","cmd":"FUNCTION LOAD","args":["REPLACE","code"]` + one}},
		{"FUNCTION DELETE lib", []string{`"op":"m","kind":"function","cmd":"FUNCTION DELETE","args":["lib"]` + one}},
		{"FUNCTION FLUSH", []string{`"op":"m","kind":"function","cmd":"FUNCTION FLUSH","args":[]` + one}},
		{"FUNCTION RESTORE p APPEND", []string{`"op":"m","kind":"function","cmd":"FUNCTION RESTORE","args":["p","APPEND"]` + one}},
		{"SFLUSH 0 5 7 7 SYNC", []string{`"op":"m","kind":"slots","slots":[[0,5],[7,7]],"cmd":"SFLUSH","args":["0","5","7","7","SYNC"]` + one}},
		{"CLUSTER FLUSHSLOT 9 ASYNC", []string{`"op":"m","kind":"slots","slots":[[9,9]],"cmd":"CLUSTER FLUSHSLOT","args":["9","ASYNC"]` + one}},
		{"TRIMSLOTS RANGES 2 0 5 7 8", []string{`"op":"m","kind":"slots","slots":[[0,5],[7,8]],"cmd":"TRIMSLOTS","args":["RANGES","2","0","5","7","8"],"cause":"migration"` + one}},
		{"PUBLISH ch m", []string{`"op":"m","kind":"publish","cmd":"PUBLISH","args":["ch","m"]` + one}},
		{"SPUBLISH ch m", []string{`"op":"m","kind":"publish","cmd":"SPUBLISH","args":["ch","m"]` + one}},
		{"PUBLISH __sentinel__:hello m", []string{`"op":"m","kind":"publish","cmd":"PUBLISH","args":["  sentinel  :hello","m"]` + one}}, // _ is a space here

		// Unknown.
		{"json.set k $ {}", unknown("JSON.SET", `"k","$","{}"`)},
		{"nothing", unknown("NOTHING", "")},
		{"XGROUP", unknown("XGROUP", "")},
		{"CLUSTER MEET a", unknown("CLUSTER", `"MEET","a"`)},
		{"XGROUP_CREATE k", unknown("XGROUP CREATE", `"k"`)}, // one word with a space: not the container
		{"SET k", unknown("SET", `"k"`)},
		{"SET k v EX", unknown("SET", `"k","v","EX"`)},
		{"SET k v PXAT 1x", unknown("SET", `"k","v","PXAT","1x"`)},
		{"SET k v EX 9223372036854775807", unknown("SET", `"k","v","EX","9223372036854775807"`)},
		{"SET k v EX 1 PX 1", unknown("SET", `"k","v","EX","1","PX","1"`)},
		{"SET k v EX 1 KEEPTTL", unknown("SET", `"k","v","EX","1","KEEPTTL"`)},
		{"SET k v WHAT", unknown("SET", `"k","v","WHAT"`)},
		{"HSET k f", unknown("HSET", `"k","f"`)},
		{"MSET a 1 b", unknown("MSET", `"a","1","b"`)},
		{"MSETEX 2 a 1", unknown("MSETEX", `"2","a","1"`)},
		{"MOVE k x", unknown("MOVE", `"k","x"`)},
		{"COPY a b WHAT", unknown("COPY", `"a","b","WHAT"`)},
		{"SORT a ALPHA DESC", unknown("SORT", `"a","ALPHA","DESC"`)},
		{"SORT a ALPHA LIMIT 0 STORE", unknown("SORT", `"a","ALPHA","LIMIT","0","STORE"`)},
		{"GEORADIUS a 1 2 3 km WITHDIST ASC", unknown("GEORADIUS", `"a","1","2","3","km","WITHDIST","ASC"`)},
		{"EXPIRE k x", unknown("EXPIRE", `"k","x"`)},
		{"RESTORE k -1 p", unknown("RESTORE", `"k","-1","p"`)},
		{"PFCOUNT a b", unknown("PFCOUNT", `"a","b"`)},
		{"SELECT x", unknown("SELECT", `"x"`)},
		{"MULTI 1", unknown("MULTI", `"1"`)},
		{"SFLUSH 5 0", unknown("SFLUSH", `"5","0"`)},
		{"TRIMSLOTS RANGES 2 0 5", unknown("TRIMSLOTS", `"RANGES","2","0","5"`)},

		// KeyDB.
		{"RREPLAY u bad 0 1", unknown("RREPLAY", `"u","bad","0","1"`)},

		// Forms that no server sends.
		{"BLMOVE a b LEFT RIGHT 0", unknown("BLMOVE", `"a","b","LEFT","RIGHT","0"`)},
		{"BLMPOP 0 1 a LEFT", unknown("BLMPOP", `"0","1","a","LEFT"`)},
		{"BLPOP a 0", unknown("BLPOP", `"a","0"`)},
		{"BRPOP a 0", unknown("BRPOP", `"a","0"`)},
		{"BZMPOP 0 1 a MIN", unknown("BZMPOP", `"0","1","a","MIN"`)},
		{"BZPOPMAX a 0", unknown("BZPOPMAX", `"a","0"`)},
		{"BZPOPMIN a 0", unknown("BZPOPMIN", `"a","0"`)},
		{"DELIFEQ k v", unknown("DELIFEQ", `"k","v"`)},
		{"FCALL f 0", unknown("FCALL", `"f","0"`)},
		{"GEOADD k 1 2 m", unknown("GEOADD", `"k","1","2","m"`)},
		{"GETDEL k", unknown("GETDEL", `"k"`)},
		{"GETEX k EX 5", unknown("GETEX", `"k","EX","5"`)},
		{"HEXPIRE k 5 FIELDS 1 f", unknown("HEXPIRE", `"k","5","FIELDS","1","f"`)},
		{"HEXPIREAT k 5 FIELDS 1 f", unknown("HEXPIREAT", `"k","5","FIELDS","1","f"`)},
		{"HPEXPIRE k 5 FIELDS 1 f", unknown("HPEXPIRE", `"k","5","FIELDS","1","f"`)},
		{"HGETEX k EX 5 FIELDS 1 f", unknown("HGETEX", `"k","EX","5","FIELDS","1","f"`)},
		{"HINCRBYFLOAT k f 1", unknown("HINCRBYFLOAT", `"k","f","1"`)},
		{"INCRBYFLOAT k 1", unknown("INCRBYFLOAT", `"k","1"`)},
		{"INCREX k", unknown("INCREX", `"k"`)},
		{"LMPOP 1 k LEFT", unknown("LMPOP", `"1","k","LEFT"`)},
		{"MIGRATE h 1 k 0 5", unknown("MIGRATE", `"h","1","k","0","5"`)},
		{"SPOP k", unknown("SPOP", `"k"`)},
		{"XAUTOCLAIM k g c 0 0", unknown("XAUTOCLAIM", `"k","g","c","0","0"`)},
		{"XREADGROUP GROUP g c STREAMS k >", unknown("XREADGROUP", `"GROUP","g","c","STREAMS","k",">"`)},
		{"ZMPOP 1 k MIN", unknown("ZMPOP", `"1","k","MIN"`)},
	} {
		set := settings()
		set.Publish = true
		r := decode(t, set, line(tt.in))
		for _, c := range r.dec.Counts().Commands {
			seen[c.Name] = true
		}
		got := r.short
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s\n got %s\nwant %s", tt.in, strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
		}
	}
	for _, name := range rowNames(t) {
		if !seen[name] {
			t.Errorf("%s has no case here", name)
		}
	}
}

// rowNames reads the names of the table's source.
func rowNames(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("commands.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, row := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		name, _, _ := strings.Cut(row, "\t")
		if i > 0 && !strings.Contains(name, "*") {
			names = append(names, name)
		}
	}
	return names
}
