package command_test

// redis70 is what a client types into Redis 7.0 and the events that come of it, by docs/events.md.
func redis70() []step {
	const (
		far    = "9999999999999"
		str    = `"type":"string",`
		list   = `"type":"list",`
		set    = `"type":"set",`
		zset   = `"type":"zset",`
		hash   = `"type":"hash",`
		strm   = `"type":"stream",`
		value  = `"effect":"value",`
		put    = `"effect":"put",`
		remove = `"effect":"remove",`
		delta  = `"effect":"delta",`
		derive = `"effect":"derive",`
		meta   = `"effect":"meta",`
		ttl    = `"effect":"ttl",`
		gone   = `"effect":"gone",`
		never  = `,"expire_at_ms":-1`
	)
	u := func(key string) string { return `"op":"u","db":0,"key":"` + key + `",` }
	c := func(key string) string { return `"op":"c","db":0,"key":"` + key + `",` }
	d := func(key string) string { return `"op":"d","db":0,"key":"` + key + `",` }
	del := func(key string) string { return d(key) + gone + `"cmd":"DEL","args":[]` }
	setTo := func(key, v string) string { return u(key) + str + value + `"cmd":"SET","args":["` + v + `"]` + never }
	txn := func(e, where string) string { return e + `,"txn":{"id":"…",` + where + `}` }
	return []step{
		// Strings.
		{"SET s 1", []string{setTo("s", "1")}},
		{"SET s 1 NX", nil},
		{"SET s2 1 NX", []string{c("s2") + str + value + `"cmd":"SET","args":["1","NX"]` + never}},
		{"SET s 2 XX GET", []string{u("s") + str + value + `"cmd":"SET","args":["2","XX"]` + never}},
		{"SET s 2 EX 100", []string{u("s") + str + value + `"cmd":"SET","args":["2","PXAT","…"],"expire_at_ms":…`}},
		{"SET s 2 PXAT " + far, []string{u("s") + str + value + `"cmd":"SET","args":["2","PXAT","` + far + `"],"expire_at_ms":` + far}},
		{"SET s 2 EXAT 9999999999", []string{u("s") + str + value + `"cmd":"SET","args":["2","PXAT","9999999999000"],"expire_at_ms":9999999999000`}},
		{"SET s 2 KEEPTTL", []string{u("s") + str + value + `"cmd":"SET","args":["2","KEEPTTL"]`}},
		{"SETEX s 100 v", []string{u("s") + str + value + `"cmd":"SET","args":["v","PXAT","…"],"expire_at_ms":…`}},
		{"PSETEX s 100000 v", []string{u("s") + str + value + `"cmd":"SET","args":["v","PXAT","…"],"expire_at_ms":…`}},
		{"SETNX s3 v", []string{c("s3") + str + value + `"cmd":"SETNX","args":["v"]` + never}},
		{"GETSET s 5", []string{setTo("s", "5")}},
		{"APPEND s 0", []string{u("s") + str + delta + `"cmd":"APPEND","args":["0"]`}},
		{"SETRANGE s 1 23", []string{u("s") + str + delta + `"cmd":"SETRANGE","args":["1","23"]`}},
		{"INCR s", []string{u("s") + str + delta + `"cmd":"INCR","args":[]`}},
		{"DECR s", []string{u("s") + str + delta + `"cmd":"DECR","args":[]`}},
		{"INCRBY s 3", []string{u("s") + str + delta + `"cmd":"INCRBY","args":["3"]`}},
		{"DECRBY s 3", []string{u("s") + str + delta + `"cmd":"DECRBY","args":["3"]`}},
		{"INCRBYFLOAT s 0.5", []string{u("s") + str + value + `"cmd":"SET","args":["523.5","KEEPTTL"]`}},
		{"SETBIT b 7 1", []string{u("b") + str + delta + `"cmd":"SETBIT","args":["7","1"]`}},
		{"BITFIELD b INCRBY u8 0 5 GET u8 0", []string{u("b") + str + delta + `"cmd":"BITFIELD","args":["INCRBY","u8","0","5","GET","u8","0"]`}},
		{"BITOP NOT b2 b", []string{u("b2") + str + derive + `"cmd":"BITOP","args":["NOT","b2","b"],"keys":["b2"]` + never}},
		{"MSET m1 1 m2 2", []string{
			u("m1") + str + value + `"cmd":"SET","args":["1"]` + never + ` 0/2`,
			u("m2") + str + value + `"cmd":"SET","args":["2"]` + never + ` 1/2`,
		}},
		{"MSETNX m3 1 m4 2", []string{
			c("m3") + str + value + `"cmd":"SET","args":["1"]` + never + ` 0/2`,
			c("m4") + str + value + `"cmd":"SET","args":["2"]` + never + ` 1/2`,
		}},
		{"GETDEL m3", []string{del("m3")}},
		{"GETEX m1 EX 100", []string{u("m1") + ttl + `"cmd":"PEXPIREAT","args":["…"],"expire_at_ms":…`}},
		{"GETEX m1 PERSIST", []string{u("m1") + ttl + `"cmd":"PERSIST","args":[]` + never}},

		// Deadlines and keys.
		{"EXPIRE m1 100", []string{u("m1") + ttl + `"cmd":"PEXPIREAT","args":["…"],"expire_at_ms":…`}},
		{"PEXPIREAT m1 " + far + " GT", []string{u("m1") + ttl + `"cmd":"PEXPIREAT","args":["` + far + `","GT"],"expire_at_ms":` + far}},
		{"PERSIST m1", []string{u("m1") + ttl + `"cmd":"PERSIST","args":[]` + never}},
		{"EXPIRE m1 -1", []string{del("m1")}},
		{"DEL m2 m4 nosuch m2", []string{
			d("m2") + gone + `"cmd":"DEL","args":[] 0/4`, d("m4") + gone + `"cmd":"DEL","args":[] 1/4`,
			d("nosuch") + gone + `"cmd":"DEL","args":[] 2/4`, d("m2") + gone + `"cmd":"DEL","args":[] 3/4`,
		}},
		{"UNLINK s3", []string{d("s3") + gone + `"cmd":"UNLINK","args":[]`}},
		{"RENAME s2 s4", []string{
			d("s2") + gone + `"cmd":"RENAME","args":["s2","s4"],"keys":["s2","s4"] 0/2`,
			u("s4") + derive + `"cmd":"RENAME","args":["s2","s4"],"keys":["s2","s4"] 1/2`,
		}},
		{"RENAMENX s4 s5", []string{
			d("s4") + gone + `"cmd":"RENAMENX","args":["s4","s5"],"keys":["s4","s5"] 0/2`,
			c("s5") + derive + `"cmd":"RENAMENX","args":["s4","s5"],"keys":["s4","s5"] 1/2`,
		}},
		{"COPY s5 s6", []string{c("s6") + derive + `"cmd":"COPY","args":["s5","s6"],"keys":["s6"]`}},
		{"COPY s5 s6 DB 3 REPLACE", []string{`"op":"u","db":0,"key":"s6","key_db":3,` + derive + `"cmd":"COPY","args":["s5","s6","DB","3","REPLACE"],"keys":["s6"]`}},
		{"MOVE s6 4", []string{
			d("s6") + gone + `"cmd":"MOVE","args":["s6","4"],"keys":["s6","s6"] 0/2`,
			`"op":"c","db":0,"key":"s6","key_db":4,` + derive + `"cmd":"MOVE","args":["s6","4"],"keys":["s6","s6"] 1/2`,
		}},
		{"DUMP+s5 RESTORE r 0 %", []string{c("r") + str + value + `"cmd":"RESTORE","args":["…"],"expire_at_ms":-1,"enc":"base64"`}},
		{"DUMP+s5 RESTORE r 100000 % REPLACE", []string{u("r") + str + value + `"cmd":"RESTORE","args":["…"],"expire_at_ms":…,"enc":"base64"`}},
		{"DUMP+s5 RESTORE-ASKING r2 " + far + " % ABSTTL", []string{c("r2") + str + value + `"cmd":"RESTORE-ASKING","args":["…"],"expire_at_ms":` + far + `,"enc":"base64"`}},

		// Lists.
		{"RPUSH l a b c d e f", []string{u("l") + list + delta + `"cmd":"RPUSH","args":["a","b","c","d","e","f"]`}},
		{"LPUSH l z", []string{u("l") + list + delta + `"cmd":"LPUSH","args":["z"]`}},
		{"RPUSHX l g", []string{u("l") + list + delta + `"cmd":"RPUSHX","args":["g"]`}},
		{"LPUSHX l y", []string{u("l") + list + delta + `"cmd":"LPUSHX","args":["y"]`}},
		{"LINSERT l BEFORE a x", []string{u("l") + list + delta + `"cmd":"LINSERT","args":["BEFORE","a","x"]`}},
		{"LSET l 0 w", []string{u("l") + list + delta + `"cmd":"LSET","args":["0","w"]`}},
		{"LREM l 1 x", []string{u("l") + list + delta + `"cmd":"LREM","args":["1","x"]`}},
		{"LTRIM l 0 6", []string{u("l") + list + delta + `"cmd":"LTRIM","args":["0","6"]`}},
		{"LPOP l", []string{u("l") + list + delta + `"cmd":"LPOP","args":[]`}},
		{"RPOP l 1", []string{u("l") + list + delta + `"cmd":"RPOP","args":["1"]`}},
		{"BLPOP nosuch l 1", []string{u("l") + list + delta + `"cmd":"LPOP","args":[]`}},
		{"BRPOP l 1", []string{u("l") + list + delta + `"cmd":"RPOP","args":[]`}},
		{"LMPOP 1 l LEFT", []string{u("l") + list + delta + `"cmd":"LPOP","args":["1"]`}},
		{"RPUSH l a b c", []string{u("l") + list + delta + `"cmd":"RPUSH","args":["a","b","c"]`}},
		{"BLMPOP 1 2 nosuch l RIGHT COUNT 2", []string{u("l") + list + delta + `"cmd":"RPOP","args":["2"]`}},
		{"LMOVE l l2 LEFT RIGHT", []string{
			u("l") + list + delta + `"cmd":"LMOVE","args":["l","l2","LEFT","RIGHT"],"keys":["l","l2"] 0/2`,
			u("l2") + list + delta + `"cmd":"LMOVE","args":["l","l2","LEFT","RIGHT"],"keys":["l","l2"] 1/2`,
		}},
		{"BLMOVE l2 l2 LEFT RIGHT 1", []string{u("l2") + list + delta + `"cmd":"LMOVE","args":["l2","l2","LEFT","RIGHT"],"keys":["l2"]`}},
		{"RPOPLPUSH l2 l3", []string{
			u("l2") + list + delta + `"cmd":"RPOPLPUSH","args":["l2","l3"],"keys":["l2","l3"] 0/2`,
			u("l3") + list + delta + `"cmd":"RPOPLPUSH","args":["l2","l3"],"keys":["l2","l3"] 1/2`,
		}},
		{"BRPOPLPUSH l3 l4 1", []string{
			u("l3") + list + delta + `"cmd":"RPOPLPUSH","args":["l3","l4"],"keys":["l3","l4"] 0/2`,
			u("l4") + list + delta + `"cmd":"RPOPLPUSH","args":["l3","l4"],"keys":["l3","l4"] 1/2`,
		}},
		{"SORT l4 ALPHA STORE l5", []string{u("l5") + list + derive + `"cmd":"SORT","args":["l4","ALPHA","STORE","l5"],"keys":["l5"]` + never}},

		// Sets.
		{"SADD S a b c d", []string{u("S") + set + put + `"cmd":"SADD","args":["a","b","c","d"]`}},
		{"SADD S a", nil},
		{"SREM S a nosuch", []string{u("S") + set + remove + `"cmd":"SREM","args":["a","nosuch"]`}},
		{"SMOVE S S2 b", []string{
			u("S") + set + delta + `"cmd":"SMOVE","args":["S","S2","b"],"keys":["S","S2"] 0/2`,
			u("S2") + set + delta + `"cmd":"SMOVE","args":["S","S2","b"],"keys":["S","S2"] 1/2`,
		}},
		{"SPOP S2", []string{u("S2") + set + remove + `"cmd":"SREM","args":["b"]`}},
		{"SPOP S 5", []string{del("S")}},
		{"SADD S a b c d", []string{u("S") + set + put + `"cmd":"SADD","args":["a","b","c","d"]`}},
		{"SPOP S 2", []string{
			txn(u("S")+set+remove+`"cmd":"SREM","args":["…"]`, `"seq":0,"size":2`),
			txn(u("S")+set+remove+`"cmd":"SREM","args":["…"]`, `"seq":1,"size":2,"last":true`),
		}},
		{"SUNIONSTORE S3 S", []string{u("S3") + set + derive + `"cmd":"SUNIONSTORE","args":["S3","S"],"keys":["S3"]` + never}},
		{"SINTERSTORE S3 S", []string{u("S3") + set + derive + `"cmd":"SINTERSTORE","args":["S3","S"],"keys":["S3"]` + never}},
		{"SDIFFSTORE S3 S nosuch", []string{u("S3") + set + derive + `"cmd":"SDIFFSTORE","args":["S3","S","nosuch"],"keys":["S3"]` + never}},

		// Hashes.
		{"HSET h f 1 g 2", []string{u("h") + hash + put + `"cmd":"HSET","args":["f","1","g","2"]`}},
		{"HMSET h f 1", []string{u("h") + hash + put + `"cmd":"HMSET","args":["f","1"]`}},
		{"HSETNX h n 1", []string{u("h") + hash + put + `"cmd":"HSETNX","args":["n","1"]`}},
		{"HINCRBY h f 2", []string{u("h") + hash + delta + `"cmd":"HINCRBY","args":["f","2"]`}},
		{"HINCRBYFLOAT h f 0.25", []string{u("h") + hash + put + `"cmd":"HSET","args":["f","3.25"]`}},
		{"HDEL h f nosuch", []string{u("h") + hash + remove + `"cmd":"HDEL","args":["f","nosuch"]`}},

		// Sorted sets and places.
		{"ZADD z 1 a 2 b 3 c 4 d 5 e", []string{u("z") + zset + put + `"cmd":"ZADD","args":["1","a","2","b","3","c","4","d","5","e"]`}},
		{"ZADD z XX CH 9 e", []string{u("z") + zset + put + `"cmd":"ZADD","args":["XX","CH","9","e"]`}},
		{"ZADD z INCR 1 a", []string{u("z") + zset + delta + `"cmd":"ZADD","args":["INCR","1","a"]`}},
		{"ZINCRBY z 1.5 a", []string{u("z") + zset + delta + `"cmd":"ZINCRBY","args":["1.5","a"]`}},
		{"ZREM z a", []string{u("z") + zset + remove + `"cmd":"ZREM","args":["a"]`}},
		{"ZPOPMIN z", []string{u("z") + zset + delta + `"cmd":"ZPOPMIN","args":[]`}},
		{"ZPOPMAX z 1", []string{u("z") + zset + delta + `"cmd":"ZPOPMAX","args":["1"]`}},
		{"BZPOPMIN z 1", []string{u("z") + zset + delta + `"cmd":"ZPOPMIN","args":[]`}},
		{"ZADD z 1 a 2 b 3 c 4 d 5 e", []string{u("z") + zset + put + `"cmd":"ZADD",…`}},
		{"BZPOPMAX z 1", []string{u("z") + zset + delta + `"cmd":"ZPOPMAX","args":[]`}},
		{"ZMPOP 1 z MIN", []string{u("z") + zset + delta + `"cmd":"ZPOPMIN","args":["1"]`}},
		{"BZMPOP 1 1 z MAX COUNT 1", []string{u("z") + zset + delta + `"cmd":"ZPOPMAX","args":["1"]`}},
		{"ZRANGESTORE z2 z 0 -1", []string{u("z2") + zset + derive + `"cmd":"ZRANGESTORE","args":["z2","z","0","-1"],"keys":["z2"]` + never}},
		{"ZUNIONSTORE z2 1 z", []string{u("z2") + zset + derive + `"cmd":"ZUNIONSTORE","args":["z2","1","z"],"keys":["z2"]` + never}},
		{"ZINTERSTORE z2 1 z", []string{u("z2") + zset + derive + `"cmd":"ZINTERSTORE","args":["z2","1","z"],"keys":["z2"]` + never}},
		{"ZDIFFSTORE z2 1 z", []string{u("z2") + zset + derive + `"cmd":"ZDIFFSTORE","args":["z2","1","z"],"keys":["z2"]` + never}},
		{"ZREMRANGEBYSCORE z2 0 1", nil},
		{"ZREMRANGEBYRANK z2 0 0", []string{u("z2") + zset + delta + `"cmd":"ZREMRANGEBYRANK","args":["0","0"]`}},
		{"ZADD z2 1 a 1 b 2 c", []string{u("z2") + zset + put + `"cmd":"ZADD",…`}},
		{"ZREMRANGEBYSCORE z2 0 1", []string{u("z2") + zset + delta + `"cmd":"ZREMRANGEBYSCORE","args":["0","1"]`}},
		{"ZREMRANGEBYLEX z2 - +", []string{u("z2") + zset + delta + `"cmd":"ZREMRANGEBYLEX","args":["-","+"]`}},
		{"GEOADD G 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", []string{u("G") + zset + put + `"cmd":"ZADD","args":["3479099956230698","Palermo","3479447370796909","Catania"]`}},
		{"GEOSEARCHSTORE G2 G FROMLONLAT 15 37 BYRADIUS 200 km", []string{u("G2") + zset + derive + `"cmd":"GEOSEARCHSTORE",…,"keys":["G2"]` + never}},
		{"GEORADIUS G 15 37 200 km STORE G3", []string{u("G3") + zset + derive + `"cmd":"GEORADIUS",…,"keys":["G3"]` + never}},
		{"GEORADIUSBYMEMBER G Palermo 200 km STOREDIST G4", []string{u("G4") + zset + derive + `"cmd":"GEORADIUSBYMEMBER",…,"keys":["G4"]` + never}},

		// HyperLogLog.
		{"PFADD P a b", []string{u("P") + str + delta + `"cmd":"PFADD","args":["a","b"]`}},
		{"PFCOUNT P", []string{u("P") + str + delta + `"cmd":"PFCOUNT","args":[]`}},
		{"PFCOUNT P", nil},
		{"PFMERGE P2 P", []string{u("P2") + str + derive + `"cmd":"PFMERGE","args":["P2","P"],"keys":["P2"]`}},
		{"PFCOUNT P P2", nil},
		{"PFDEBUG TODENSE P", []string{u("P") + str + delta + `"cmd":"PFDEBUG TODENSE","args":[]`}},

		// Streams.
		{"XADD x 1-0 f v", []string{u("x") + strm + put + `"cmd":"XADD","args":["1-0","f","v"]`}},
		{"XADD x MAXLEN ~ 1 2-0 f v", []string{u("x") + strm + put + `"cmd":"XADD","args":["MAXLEN","=","2","2-0","f","v"]`}},
		{"XADD x * f v", []string{u("x") + strm + put + `"cmd":"XADD","args":["…-0","f","v"]`}},
		{"XGROUP CREATE x g 0", []string{u("x") + strm + meta + `"cmd":"XGROUP CREATE","args":["g","0"]`}},
		{"XGROUP CREATECONSUMER x g c", []string{u("x") + strm + meta + `"cmd":"XGROUP CREATECONSUMER","args":["g","c"]`}},
		{"XREADGROUP GROUP g c COUNT 1 STREAMS x >", []string{u("x") + strm + meta + `"cmd":"XCLAIM","args":["g","c","0","1-0","TIME","…","RETRYCOUNT","1","FORCE","JUSTID","LASTID","1-0"]`}},
		{"XACK x g 1-0", []string{u("x") + strm + meta + `"cmd":"XACK","args":["g","1-0"]`}},
		{"XGROUP SETID x g 0", []string{u("x") + strm + meta + `"cmd":"XGROUP SETID","args":["g","0"]`}},
		{"XGROUP DELCONSUMER x g c", []string{u("x") + strm + meta + `"cmd":"XGROUP DELCONSUMER","args":["g","c"]`}},
		{"XGROUP DESTROY x g", []string{u("x") + strm + meta + `"cmd":"XGROUP DESTROY","args":["g"]`}},
		{"XDEL x 1-0", []string{u("x") + strm + remove + `"cmd":"XDEL","args":["1-0"]`}},
		{"XTRIM x MAXLEN 1", []string{u("x") + strm + delta + `"cmd":"XTRIM","args":["MAXLEN","1"]`}},
		{"XSETID x 99999999999999-0", []string{u("x") + strm + meta + `"cmd":"XSETID","args":["99999999999999-0"]`}},

		// Transactions, scripts, databases.
		{"MULTI ; SET t 1 ; EXEC", []string{setTo("t", "1")}},
		{"MULTI ; SET t 1 ; INCR t ; EXEC", []string{
			txn(setTo("t", "1"), `"seq":0,"size":2`),
			txn(u("t")+str+delta+`"cmd":"INCR","args":[]`, `"seq":1,"size":2,"last":true`),
		}},
		{"EVAL redis.call('set',KEYS[1],'1')redis.call('select','7')redis.call('incr',KEYS[1]) 1 e", []string{
			txn(setTo("e", "1"), `"seq":0,"size":2`),
			txn(`"op":"u","db":7,"key":"e",`+str+delta+`"cmd":"INCR","args":[]`, `"seq":1,"size":2,"last":true`),
		}},
		{"SELECT 2 ; SET t 1 ; SELECT 0", []string{`"op":"u","db":2,"key":"t",` + str + value + `"cmd":"SET","args":["1"]` + never}},
		{"SWAPDB 0 5 ; SWAPDB 5 0", []string{
			`"op":"m","kind":"swapdb","cmd":"SWAPDB","args":["0","5"]`,
			`"op":"m","kind":"swapdb","cmd":"SWAPDB","args":["5","0"]`,
		}},
		{"FUNCTION LOAD #!lua_name=lib¶redis['register\\95function']('f',function(keys)return_redis.call('incr',keys[1])end)", []string{`"op":"m","kind":"function","cmd":"FUNCTION LOAD","args":["#!lua name=lib\n…"]`}},
		{"FCALL f 1 fk", []string{u("fk") + str + delta + `"cmd":"INCR","args":[]`}},
		{"FUNCTION DELETE lib", []string{`"op":"m","kind":"function","cmd":"FUNCTION DELETE","args":["lib"]`}},
		{"FUNCTION RESTORE %", []string{`"op":"m","kind":"function","cmd":"FUNCTION RESTORE","args":["…"],"enc":"base64"`}},
		{"FUNCTION FLUSH", []string{`"op":"m","kind":"function","cmd":"FUNCTION FLUSH","args":[]`}},
		{"SCRIPT LOAD return_1", nil},
		{"SPUBLISH ch m", []string{`"op":"m","kind":"publish","cmd":"SPUBLISH","args":["ch","m"]`}},
		{"DEBUG REPLICATE JSON.SET k", []string{`"op":"m","kind":"unknown","db":0,"cmd":"JSON.SET","args":["k"]`}},
		{"WAIT 1 10", nil}, // GETACK
		{"FLUSHDB", []string{`"op":"t","db":0,"cmd":"FLUSHDB","args":[]`}},
		{"FLUSHALL ASYNC", []string{`"op":"t","cmd":"FLUSHALL","args":["ASYNC"]`}},
	}
}
