package rdb

import "fmt"

// Opcodes, from rdb.h of Redis 7.4 and Valkey 9.0. Everything below them is a value type.
const (
	opSlotImport  = 243 // Valkey 9; Redis 8.6 uses the code for key metadata
	opSlotInfo    = 244
	opFunction2   = 245
	opFunctionRC  = 246
	opModuleAux   = 247
	opIdle        = 248
	opFreq        = 249
	opAux         = 250
	opResizeDB    = 251
	opExpireMs    = 252
	opExpireSec   = 253
	opSelectDB    = 254
	opEOF         = 255
	firstOpcode   = opSlotImport
	noExpire      = -1 // a deadline of -1 is stored for "none" by the loaders of all versions
	magicLen      = 9
	crcLen        = 8
	firstVerCRC   = 5 // the checksum came with RDB 5
	maxRedis      = 12
	valkeyVersion = 80
)

// Value types, from rdb.h. 22 and up mean different things under the two magics.
const (
	typeString       = 0
	typeList         = 1
	typeSet          = 2
	typeZset         = 3 // scores as text
	typeHash         = 4
	typeZset2        = 5 // scores as 8 bytes
	typeModulePreGA  = 6
	typeModule2      = 7
	typeHashZipmap   = 9
	typeListZiplist  = 10
	typeSetIntset    = 11
	typeZsetZiplist  = 12
	typeHashZiplist  = 13
	typeQuicklist    = 14
	typeStream       = 15
	typeHashListpack = 16
	typeZsetListpack = 17
	typeQuicklist2   = 18
	typeStream2      = 19
	typeSetListpack  = 20
	typeStream3      = 21
	typeHashTTLRC    = 22 // Redis 7.4-RC; under the magic VALKEY: hash with field deadlines
	typeHashLPTTLRC  = 23
	typeHashTTL      = 24
	typeHashLPTTL    = 25
)

// Family is whose format a file has.
type Family uint8

// The families.
const (
	Redis  Family = iota // magic REDIS: Redis, and Valkey up to 8.1
	Valkey               // magic VALKEY: Valkey from 9.0
)

func (f Family) String() string {
	if f == Valkey {
		return "VALKEY"
	}
	return "REDIS"
}

// parseMagic reads the first 9 bytes of a file: REDIS and four digits, or VALKEY and three.
func parseMagic(b []byte) (Family, int, error) {
	var digits string
	family := Redis
	switch {
	case string(b[:5]) == "REDIS":
		digits = string(b[5:magicLen])
	case string(b[:6]) == "VALKEY":
		family, digits = Valkey, string(b[6:magicLen])
	default:
		return 0, 0, corrupt("not an RDB file: it begins with neither REDIS nor VALKEY")
	}
	version := 0
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, 0, corrupt("the version in the header is not a number")
		}
		version = version*10 + int(digits[i]-'0')
	}
	if family == Redis && version >= 1 && version <= maxRedis || family == Valkey && version == valkeyVersion {
		return family, version, nil
	}
	return family, version, &UnsupportedError{
		What: fmt.Sprintf("RDB version %s%s%s", family, digits, writerOf(family, version)),
		Need: "this decoder reads REDIS0001 to REDIS0012 (Redis up to 8.4, Valkey up to 8.1) and VALKEY080 " +
			"(Valkey 9.0 and 9.1); use a newer keyfeed or one of these servers",
	}
}

// writerOf names the servers known to write a version that is refused.
func writerOf(family Family, version int) string {
	switch {
	case family == Redis && version == 13:
		return " (Redis 8.6)"
	case family == Redis && version == 14:
		return " (Redis 8.8)"
	case family == Valkey && version == 81:
		return " (Valkey 9.2)"
	}
	return ""
}

// Type is the data type of a key, as the server's TYPE command names it.
type Type uint8

// The types.
const (
	TypeString Type = iota
	TypeList
	TypeSet
	TypeZset
	TypeHash
	TypeStream
	TypeModule
)

func (t Type) String() string {
	switch t {
	case TypeList:
		return "list"
	case TypeSet:
		return "set"
	case TypeZset:
		return "zset"
	case TypeHash:
		return "hash"
	case TypeStream:
		return "stream"
	case TypeModule:
		return "module"
	default:
		return "string"
	}
}

// typeOf gives the data type of a value type code under a magic; false when it is not read.
func typeOf(code byte, family Family) (Type, bool) {
	switch code {
	case typeString:
		return TypeString, true
	case typeList, typeListZiplist, typeQuicklist, typeQuicklist2:
		return TypeList, true
	case typeSet, typeSetIntset, typeSetListpack:
		return TypeSet, true
	case typeZset, typeZset2, typeZsetZiplist, typeZsetListpack:
		return TypeZset, true
	case typeHash, typeHashZipmap, typeHashZiplist, typeHashListpack, typeHashTTLRC:
		return TypeHash, true
	case typeHashLPTTLRC, typeHashTTL, typeHashLPTTL:
		return TypeHash, family == Redis
	case typeStream, typeStream2, typeStream3:
		return TypeStream, true
	case typeModule2:
		return TypeModule, true
	}
	return 0, false
}
