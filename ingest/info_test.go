package ingest

import "testing"

func TestServerInfo(t *testing.T) {
	tests := []struct {
		name, text, kind, version string
		major                     int64
	}{
		{"redis", "redis_version:7.0.15\r\n", "redis", "7.0.15", 7},
		{"valkey 8", "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n", "valkey", "8.0.1", 8},
		{"dragonfly", "redis_version:7.2.0\r\ndragonfly_version:df-v1.2\r\n", "dragonfly", "df-v1.2", 0},
		{"keydb", "redis_version:6.3.4\r\nexecutable:/usr/bin/keydb-server\r\n", "keydb", "6.3.4", 6},
		{"nothing", "", "", "", 0},
		{"noise", "::::\r\n:x\r\nmaster_repl_offset:many\r\ndb0:keys=,\r\n", "", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s ServerInfo
			s.parseInfo(tt.text)
			if s.Kind != tt.kind || s.Version != tt.version || s.major() != tt.major {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	info := ServerInfo{
		ReplID: replidA, ReplID2: replidB, Offset: 500, SecondOffset: 300, BacklogActive: true, BacklogFirst: 101, BacklogBytes: 400,
	}
	other := "cccccccccccccccccccccccccccccccccccccccc"
	for _, tt := range []struct {
		name    string
		info    ServerInfo
		resume  Resume
		accepts bool
	}{
		{"in the backlog", info, Resume{ReplID: replidA, Offset: 250}, true},
		{"its first byte", info, Resume{ReplID: replidA, Offset: 100}, true},
		{"one before", info, Resume{ReplID: replidA, Offset: 99}, false},
		{"caught up", info, Resume{ReplID: replidA, Offset: 500}, true},
		{"ahead", info, Resume{ReplID: replidA, Offset: 501}, false},
		{"second id", info, Resume{ReplID: replidB, Offset: 299}, true},
		{"second id, one too far", info, Resume{ReplID: replidB, Offset: 300}, false},
		{"unknown id", info, Resume{ReplID: other, Offset: 250}, false},
		{"no backlog", ServerInfo{ReplID: replidA, Offset: 500}, Resume{ReplID: replidA, Offset: 500}, false},
		{"INFO not permitted", ServerInfo{}, Resume{ReplID: replidA, Offset: 500}, true},
	} {
		if got := tt.info.Refuses(tt.resume); (got == "") != tt.accepts {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

func TestPermits(t *testing.T) {
	for rules, want := range map[string]Access{
		"+@all": AccessAllowed, "-@all +psync +replconf": AccessAllowed, "-@all +replconf": AccessDenied, "+@all -@dangerous": AccessDenied,
		"+@all -@admin +psync": AccessAllowed, "": AccessDenied,
	} {
		if got := permits(rules); got != want {
			t.Errorf("permits(%q) = %s", rules, got)
		}
	}
}
