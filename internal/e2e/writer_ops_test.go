//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"time"
)

// weights lists all operations. Left out are those whose result on a replica differs from that on its master for
// reasons of the server's own: SORT BY a pattern that some elements lack, with ALPHA, orders ties as they come.
func (w *writer) weights() (ops []op, total int) {
	ops = append(ops, w.stringOps()...)
	ops = append(ops, w.keyOps()...)
	ops = append(ops, w.listOps()...)
	ops = append(ops, w.setOps()...)
	ops = append(ops, w.hashOps()...)
	ops = append(ops, w.zsetOps()...)
	ops = append(ops, w.streamOps()...)
	ops = append(ops, w.otherOps()...)
	for _, o := range ops {
		total += o.weight
	}
	return ops, total
}

// cmd is an operation of one command.
func cmd(weight int, args func() []any) op {
	return op{weight, func() [][]any { return [][]any{args()} }}
}

type list = []any

func (w *writer) stringOps() []op {
	return []op{
		cmd(20, func() list { return list{"SET", w.key("str"), w.value()} }),
		cmd(4, func() list { return list{"set", w.key("str"), w.value(), "ex", w.seconds()} }),
		cmd(3, func() list {
			return list{"SET", w.key("str"), w.value(), one(w, "NX", "XX"), "PX", 1 + w.rng.IntN(30_000)}
		}),
		cmd(2, func() list { return list{"SET", w.key("str"), w.value(), "KEEPTTL", "GET"} }),
		cmd(2, func() list {
			return list{"SET", w.key("str"), w.value(), "EXAT", time.Now().Unix() + int64(w.seconds())}
		}),
		cmd(2, func() list { return list{"SETNX", w.anyKey(), w.value()} }),
		cmd(2, func() list { return list{"SETEX", w.key("str"), w.seconds(), w.value()} }),
		cmd(2, func() list { return list{"PSETEX", w.key("str"), 1000 * w.seconds(), w.value()} }),
		cmd(2, func() list { return list{"GETSET", w.key("str"), w.value()} }),
		cmd(2, func() list { return list{"GETEX", w.key("str"), "EX", w.seconds()} }),
		cmd(1, func() list { return list{"GETEX", w.key("str"), "PERSIST"} }),
		cmd(1, func() list { return list{"GETEX", w.key("str"), "EXAT", 1} }),
		cmd(1, func() list { return list{"GETDEL", w.key("str")} }),
		cmd(3, func() list { return list{"MSET", w.key("str"), w.value(), w.key("str"), w.value(), w.key("num"), 7} }),
		cmd(2, func() list {
			return list{"MSETNX", fmt.Sprintf("str:new%d", w.unique()), w.value(), fmt.Sprintf("str:new%d", w.unique()), w.value()}
		}),
		cmd(5, func() list { return list{"APPEND", w.key("str"), fmt.Sprint("+", w.unique())} }),
		cmd(3, func() list { return list{"SETRANGE", w.key("str"), w.rng.IntN(200), w.value()} }),
		cmd(4, func() list { return list{"INCR", w.key("num")} }),
		cmd(2, func() list { return list{"DECR", w.key("num")} }),
		cmd(2, func() list { return list{"INCRBY", w.key("num"), w.rng.IntN(1000)} }),
		cmd(2, func() list { return list{"DECRBY", w.key("num"), w.rng.IntN(1000)} }),
		cmd(3, func() list { return list{"INCRBYFLOAT", w.key("num"), w.rng.NormFloat64()} }),
		cmd(4, func() list { return list{"SETBIT", w.key("bits"), w.rng.IntN(20_000), w.rng.IntN(2)} }),
		cmd(4, func() list {
			return list{"BITFIELD", w.key("bits"), "GET", "u4", 0, "OVERFLOW", one(w, "WRAP", "SAT", "FAIL"), "INCRBY", "i5", w.rng.IntN(100), 1, "SET", "u8", "#3", w.rng.IntN(256)}
		}),
		cmd(2, func() list {
			return list{"BITOP", one(w, "AND", "OR", "XOR"), w.key("bits"), w.key("bits"), w.key("bits")}
		}),
		cmd(1, func() list { return list{"BITOP", "NOT", w.key("bits"), w.key("bits")} }),
		cmd(4, func() list { return append(list{"PFADD", w.key("hll")}, w.gen.elements(5)...) }),
		cmd(2, func() list { return list{"PFMERGE", w.key("hll"), w.key("hll"), w.key("hll")} }),
		cmd(3, func() list { return list{"PFCOUNT", w.key("hll")} }),
		cmd(1, func() list { return list{"PFCOUNT", w.key("hll"), w.key("hll")} }),
	}
}

func (w *writer) keyOps() []op {
	return []op{
		cmd(3, func() list { return list{"DEL", w.anyKey(), w.anyKey(), w.anyKey()} }),
		cmd(2, func() list { k := w.anyKey(); return list{"UNLINK", k, k} }),
		cmd(2, func() list { kind := one(w, kinds()...); return list{"RENAME", w.key(kind), w.key(kind)} }),
		cmd(2, func() list { kind := one(w, kinds()...); return list{"RENAMENX", w.key(kind), w.key(kind)} }),
		cmd(3, func() list { return list{"MOVE", w.anyKey(), w.rng.IntN(dataDBs)} }),
		cmd(2, func() list { kind := one(w, kinds()...); return list{"COPY", w.key(kind), w.key(kind), "REPLACE"} }),
		cmd(2, func() list {
			kind := one(w, kinds()...)
			return list{"COPY", w.key(kind), w.key(kind), "DB", w.rng.IntN(dataDBs)}
		}),
		// DUMP and RESTORE need the payload: a script carries it.
		cmd(3, func() list {
			kind := one(w, kinds()...)
			return list{
				"EVAL", "local d = redis.call('DUMP', KEYS[1]); if d then return redis.call('RESTORE', KEYS[2], ARGV[1], d, 'REPLACE') end",
				2, w.key(kind), w.key(kind), one(w, "0", "1000", "5000000"),
			}
		}),
		cmd(1, func() list { // of "x", dumped by Redis 7.0
			return list{"RESTORE", w.key("str"), one(w, 0, 20_000), "\x00\x01x\x0a\x00" + crcOfX, "REPLACE"}
		}),
		cmd(3, func() list { return list{"EXPIRE", w.anyKey(), w.seconds()} }),
		cmd(2, func() list { return list{"EXPIRE", w.anyKey(), w.seconds(), one(w, "NX", "XX", "GT", "LT")} }),
		cmd(2, func() list { return list{"PEXPIRE", w.anyKey(), 1 + w.rng.IntN(10_000)} }),
		cmd(1, func() list { return list{"PEXPIRE", w.key("str"), -1} }),
		cmd(2, func() list { return list{"EXPIREAT", w.anyKey(), time.Now().Unix() + int64(w.seconds())} }),
		cmd(2, func() list { return list{"PEXPIREAT", w.anyKey(), time.Now().UnixMilli() + int64(1000*w.seconds())} }),
		cmd(3, func() list { return list{"PERSIST", w.anyKey()} }),
		cmd(2, func() list { return list{"SORT", w.key("intset"), "STORE", w.key("list")} }),
		cmd(1, func() list {
			return list{"SORT", w.key("list"), "ALPHA", "LIMIT", 0, 10, "DESC", "STORE", w.key("list")}
		}),
		cmd(1, func() list {
			return list{"SORT", w.key("intset"), "BY", "num:*", "GET", "#", "GET", "str:*", "STORE", w.key("list")}
		}),
	}
}

func (w *writer) listOps() []op {
	return []op{
		cmd(6, func() list { return append(list{"LPUSH", w.key("list")}, w.gen.elements(1+w.rng.IntN(4))...) }),
		cmd(6, func() list { return append(list{"RPUSH", w.key("list")}, w.gen.elements(1+w.rng.IntN(4))...) }),
		cmd(1, func() list { return list{"LPUSHX", w.key("biglist"), w.member()} }),
		cmd(1, func() list { return list{"RPUSHX", w.key("biglist"), w.value()} }),
		cmd(3, func() list { return list{"LPOP", w.key("list")} }),
		cmd(2, func() list { return list{"RPOP", w.key("list"), 1 + w.rng.IntN(5)} }),
		cmd(2, func() list { return list{"LINSERT", "blist:anchored", one(w, "BEFORE", "AFTER"), "anchor", w.member()} }),
		cmd(1, func() list { return list{"RPUSH", "blist:anchored", "anchor"} }),
		cmd(1, func() list { return list{"LREM", "blist:anchored", one(w, 0, 1, -1), "anchor"} }),
		cmd(2, func() list { return list{"LSET", w.key("list"), one(w, 0, -1), w.value()} }),
		cmd(1, func() list { return list{"LTRIM", w.key("biglist"), 0, 150 + w.rng.IntN(200)} }),
		cmd(3, func() list {
			return list{"LMOVE", w.key("list"), w.key("list"), one(w, "LEFT", "RIGHT"), one(w, "LEFT", "RIGHT")}
		}),
		cmd(2, func() list { return list{"RPOPLPUSH", w.key("list"), w.key("list")} }),
		cmd(2, func() list {
			return list{"LMPOP", 2, w.key("list"), w.key("list"), one(w, "LEFT", "RIGHT"), "COUNT", 2}
		}),
		cmd(3, func() list { return list{"LPUSH", one(w, "blist:1", "blist:2"), w.member(), w.member()} }),
	}
}

func (w *writer) setOps() []op {
	return []op{
		cmd(6, func() list { return append(list{"SADD", w.key("set")}, w.gen.elements(1+w.rng.IntN(4))...) }),
		cmd(4, func() list { return list{"SADD", w.key("intset"), w.rng.IntN(1000), w.rng.Int64()} }),
		cmd(3, func() list { return list{"SREM", w.key("intset"), w.rng.IntN(50), w.rng.IntN(50)} }),
		cmd(3, func() list { return list{"SPOP", w.key("set")} }),
		cmd(2, func() list { return list{"SPOP", w.key("set"), w.rng.IntN(10)} }),
		cmd(2, func() list { return list{"SMOVE", w.key("intset"), w.key("intset"), w.rng.IntN(100)} }),
		cmd(1, func() list { return list{"SINTERSTORE", w.key("intset"), w.key("intset"), w.key("intset")} }),
		cmd(2, func() list { return list{"SUNIONSTORE", w.key("intset"), w.key("intset"), w.key("intset")} }),
		cmd(2, func() list { return list{"SDIFFSTORE", w.key("set"), w.key("set"), w.key("set")} }),
		cmd(2, func() list { return list{"SREM", "big", fmt.Sprintf("element-%09d", w.rng.IntN(100_000))} }),
	}
}

func (w *writer) hashOps() []op {
	return []op{
		cmd(8, func() list { return append(list{"HSET", w.key("hash")}, w.gen.elements(2*(1+w.rng.IntN(3)))...) }),
		cmd(2, func() list { return append(list{"HMSET", w.key("bighash")}, w.gen.elements(4)...) }),
		cmd(2, func() list { return list{"HSETNX", w.key("hash"), fmt.Sprint("f", w.rng.IntN(20)), w.value()} }),
		cmd(2, func() list { return list{"HDEL", w.key("hash"), fmt.Sprint("f", w.rng.IntN(20)), "counter"} }),
		cmd(3, func() list { return list{"HINCRBY", w.key("hash"), "counter", w.rng.IntN(100)} }),
		cmd(3, func() list { return list{"HINCRBYFLOAT", w.key("hash"), "float", w.rng.NormFloat64()} }),
		cmd(2, func() list { return list{"HSET", "big", fmt.Sprintf("element-%09d", w.rng.IntN(100_000)), w.value()} }),
	}
}

func (w *writer) zsetOps() []op {
	lonLat := func() (float64, float64) { return w.rng.Float64()*360 - 180, w.rng.Float64()*170 - 85 }
	place := func() string { return fmt.Sprint("place", w.rng.IntN(10)) }
	return []op{
		cmd(8, func() list { return list{"ZADD", w.key("zset"), w.gen.score(), w.member(), w.gen.score(), place()} }),
		cmd(2, func() list {
			return list{"ZADD", w.key("zset"), one(w, "NX", "XX", "GT", "LT"), "CH", w.gen.score(), place()}
		}),
		cmd(2, func() list { return list{"ZADD", w.key("zset"), "INCR", w.rng.NormFloat64(), place()} }),
		cmd(3, func() list { return list{"ZINCRBY", w.key("zset"), w.rng.NormFloat64(), place()} }),
		cmd(2, func() list { return list{"ZREM", w.key("zset"), place(), place()} }),
		cmd(2, func() list { return list{"ZPOPMIN", w.key("zset")} }),
		cmd(2, func() list { return list{"ZPOPMAX", w.key("zset"), 2} }),
		cmd(2, func() list {
			return list{"ZMPOP", 2, w.key("zset"), w.key("bigzset"), one(w, "MIN", "MAX"), "COUNT", 2}
		}),
		cmd(1, func() list { return list{"ZREMRANGEBYSCORE", w.key("bigzset"), w.rng.IntN(100), w.rng.IntN(200)} }),
		cmd(1, func() list { return list{"ZREMRANGEBYRANK", w.key("bigzset"), 0, w.rng.IntN(3)} }),
		cmd(1, func() list { return list{"ZREMRANGEBYLEX", "zset:lex", "[a", "(c"} }),
		cmd(1, func() list { return list{"ZADD", "zset:lex", 0, "a", 0, "b", 0, "c", 0, "d"} }),
		cmd(2, func() list {
			return list{"ZUNIONSTORE", w.key("zset"), 2, w.key("zset"), w.key("set"), "WEIGHTS", 2, 0.5, "AGGREGATE", one(w, "SUM", "MIN", "MAX")}
		}),
		cmd(1, func() list { return list{"ZINTERSTORE", w.key("zset"), 2, w.key("geo"), w.key("geo")} }),
		cmd(1, func() list { return list{"ZDIFFSTORE", w.key("zset"), 2, w.key("zset"), w.key("zset")} }),
		cmd(2, func() list { return list{"ZRANGESTORE", w.key("zset"), w.key("bigzset"), 0, w.rng.IntN(50)} }),
		cmd(1, func() list {
			return list{"ZRANGESTORE", w.key("zset"), w.key("bigzset"), "-inf", 100, "BYSCORE", "LIMIT", 0, 10}
		}),
		cmd(1, func() list { return list{"ZADD", one(w, "bzset:1", "bzset:2"), w.rng.IntN(100), w.member()} }),
		cmd(4, func() list { lon, lat := lonLat(); return list{"GEOADD", w.key("geo"), lon, lat, place()} }),
		cmd(2, func() list {
			lon, lat := lonLat()
			return list{"GEOSEARCHSTORE", w.key("geo"), w.key("geo"), "FROMLONLAT", lon, lat, "BYRADIUS", 5000, "km", "ASC", "COUNT", 5}
		}),
		cmd(1, func() list {
			lon, lat := lonLat()
			return list{"GEORADIUS", w.key("geo"), lon, lat, 8000, "km", "STORE", w.key("zset"), "STOREDIST", w.key("zset")}
		}),
		cmd(2, func() list {
			return list{"GEORADIUSBYMEMBER", w.key("geo"), "place0", 9000, "km", "STORE", w.key("geo")}
		}),
	}
}

func (w *writer) streamOps() []op {
	group := func() string { return fmt.Sprint("group", w.rng.IntN(3)) }
	consumer := func() string { return one(w, "alice", "b\xffb", "carol", "idle") }
	id := func() string { j := w.rng.IntN(60); return fmt.Sprintf("%d-%d", 1000+j, j%3) }
	return []op{
		cmd(10, func() list { return list{"XADD", w.key("stream"), "*", "f", w.value(), "n", w.unique()} }),
		cmd(3, func() list {
			return list{"XADD", w.key("stream"), "MAXLEN", one(w, "~", "="), w.rng.IntN(150), "*", "f", w.value()}
		}),
		cmd(2, func() list {
			return list{"XADD", w.key("stream"), "NOMKSTREAM", "MINID", "~", id(), "LIMIT", 100, "*", "f", "v"}
		}),
		cmd(2, func() list { return list{"XTRIM", w.key("stream"), "MAXLEN", one(w, "~", "="), w.rng.IntN(100)} }),
		cmd(2, func() list { return list{"XDEL", w.key("stream"), id(), id()} }),
		cmd(3, func() list {
			return list{"XGROUP", "CREATE", w.key("stream"), group(), one(w, "0", "$", id()), "MKSTREAM"}
		}),
		cmd(1, func() list { return list{"XGROUP", "SETID", w.key("stream"), group(), one(w, "0", "$", id())} }),
		cmd(1, func() list { return list{"XGROUP", "CREATECONSUMER", w.key("stream"), group(), consumer()} }),
		cmd(1, func() list { return list{"XGROUP", "DELCONSUMER", w.key("stream"), group(), consumer()} }),
		cmd(1, func() list { return list{"XGROUP", "DESTROY", w.key("stream"), group()} }),
		cmd(8, func() list {
			return list{"XREADGROUP", "GROUP", group(), consumer(), "COUNT", 1 + w.rng.IntN(5), "STREAMS", w.key("stream"), ">"}
		}),
		cmd(2, func() list {
			return list{"XREADGROUP", "GROUP", group(), consumer(), "COUNT", 2, "NOACK", "STREAMS", w.key("stream"), ">"}
		}),
		cmd(3, func() list {
			return list{"XCLAIM", w.key("stream"), group(), consumer(), 0, id(), id(), "RETRYCOUNT", 7}
		}),
		cmd(1, func() list { return list{"XCLAIM", w.key("stream"), group(), consumer(), 0, id(), "FORCE", "JUSTID"} }),
		cmd(3, func() list { return list{"XAUTOCLAIM", w.key("stream"), group(), consumer(), 0, "-", "COUNT", 10} }),
		cmd(3, func() list { return list{"XACK", w.key("stream"), group(), id(), id(), id()} }),
		cmd(1, func() list { return list{"XSETID", "stream:set", fmt.Sprintf("99999999999999-%d", w.unique())} }),
		cmd(1, func() list { return list{"XADD", "stream:set", fmt.Sprintf("%d-1", w.unique()), "f", "v"} }),
	}
}

// crcOfX are the last 8 bytes of DUMP of "x": the CRC64 of what stands before.
const crcOfX = "\x22\x80\x86\x5f\xbd\xe8\x48\xd0"

func (w *writer) otherOps() []op {
	const script = `
redis.call('SET', KEYS[1], ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[1], ARGV[2])
if tonumber(ARGV[2]) % 2 == 0 then redis.call('SELECT', ARGV[3]); redis.call('INCR', KEYS[3]) end
redis.call('EXPIRE', KEYS[1], 10000)
return redis.call('SPOP', KEYS[4], 2)`
	lib := func() int { return w.rng.IntN(3) }
	return []op{
		cmd(5, func() list {
			return list{"EVAL", script, 4, w.key("str"), w.key("list"), w.key("num"), w.key("set"), w.value(), w.unique(), w.rng.IntN(dataDBs)}
		}),
		cmd(4, func() list { return list{"FCALL", fmt.Sprint("put", lib()), 2, w.key("str"), w.key("num"), w.value()} }),
		cmd(1, func() list { return list{"FUNCTION", "LOAD", "REPLACE", library(lib())} }),
		cmd(1, func() list { return list{"FUNCTION", "DELETE", "lib2"} }),
		cmd(2, func() list { return list{"PUBLISH", "channel", w.value()} }),
		{1, func() [][]any {
			if w.rng.IntN(6) > 0 {
				return nil
			}
			return [][]any{{"SWAPDB", w.rng.IntN(dataDBs), w.rng.IntN(dataDBs)}}
		}},
		{2, func() [][]any {
			return [][]any{{"SELECT", scratchDB}, {one(w, "FLUSHDB", "FLUSHDB", "flushdb"), one(w, "ASYNC", "SYNC")}, {"SET", "a", "b"}, {"SELECT", 0}}
		}},
		// Many commands of one execution, and a value larger than a batch.
		cmd(1, func() list {
			return list{"EVAL", "for i = 1, 300 do redis.call('HSET', KEYS[1], i, ARGV[1]) end", 1, w.key("bighash"), w.unique()}
		}),
		cmd(1, func() list { return list{"SET", w.key("str"), strings.Repeat(fmt.Sprint(w.unique(), " "), 20_000)} }),
	}
}
