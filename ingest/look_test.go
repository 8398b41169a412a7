package ingest

import (
	"testing"
	"testing/synctest"

	"keyfeed/internal/fakeprimary"
)

// TestLook: a count is known only where nothing is being loaded, and nothing is known where INFO is not permitted.
func TestLook(t *testing.T) {
	master, down := "role:master\r\n", "role:slave\r\nmaster_link_status:down\r\n"
	for _, tt := range []struct {
		name, ping, keyspace, replication string
		keys                              int64
		known                             bool
	}{
		{"two databases", "+PONG", "# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\ndb9:keys=4,expires=1,avg_ttl=5\r\n", master, 7, true},
		{"empty", "+PONG", "# Keyspace\r\n", master, 0, true},
		{"loading", "-LOADING Redis is loading the dataset in memory", "# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n", master, 3, false},
		{"a replica in a resync", "+PONG", "# Keyspace\r\n", down, 0, false},
		{"not permitted", "+PONG", "", master, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				keyspace := "-NOPERM this user has no permissions\r\n"
				if tt.keyspace != "" {
					keyspace = fakeprimary.Bulk(tt.keyspace)
				}
				p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) {
					_, _, _ = c.Handshake(map[string]string{ // ends when Look has left
						"PING": tt.ping + "\r\n", "INFO KEYSPACE": keyspace, "INFO REPLICATION": fakeprimary.Bulk(tt.replication),
					})
				})
				got, err := Look(t.Context(), Config{Dial: p.Dial})
				if err != nil || got.Keys != tt.keys || got.KeysKnown != tt.known {
					t.Errorf("%d keys, known %v, %v", got.Keys, got.KeysKnown, err)
				}
				synctest.Wait()
			})
		})
	}
}
