//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/testenv"
)

// awaitDeadlines waits until the source has deleted everything whose deadline is near. Valkey hides a field that is due from
// DEBUG DIGEST before it deletes and replicates it, so that nothing may fall due while servers are compared.
func awaitDeadlines(t *testing.T, source *testenv.Instance) {
	t.Helper()
	var due []string
	defer func() {
		if t.Failed() {
			t.Logf("due are %q", due)
		}
	}()
	testenv.Eventually(t, 2*time.Minute, "the source has deleted all that is due within a minute", func() bool {
		due = nil
		for db := range generatedDBs {
			due = append(due, dueKeys(t, source.DB(db))...)
		}
		return len(due) == 0
	})
}

// dueKeys are the keys of the database that are due within a minute, or have a field that is, or is due and still there.
func dueKeys(t *testing.T, c *redis.Client) (found []string) {
	t.Helper()
	ctx := t.Context()
	due := func(ms int64) bool { return ms >= 0 && ms < time.Minute.Milliseconds() }
	err := scan(ctx, c, func(keys []string) error {
		for _, key := range keys {
			ttl, err := c.Do(ctx, "PTTL", key).Int64()
			if err != nil {
				return err
			}
			if due(ttl) {
				found = append(found, key)
			}
			if c.Type(ctx, key).Val() != "hash" {
				continue
			}
			fields, err := c.HKeys(ctx, key).Result()
			if err != nil {
				return err
			}
			length, err := c.HLen(ctx, key).Result()
			if err != nil {
				return err
			}
			if length != int64(len(fields)) {
				found = append(found, fmt.Sprintf("%s: of %d fields %q", key, length, fields))
			}
			args := []any{"HPTTL", key, "FIELDS", len(fields)}
			for _, f := range fields {
				args = append(args, f)
			}
			ttls, err := c.Do(ctx, args...).Int64Slice()
			if err != nil && !isReplyError(err) { // servers before 7.4 do not know it, none takes 0 fields
				return err
			}
			for _, ttl := range ttls {
				if due(ttl) {
					found = append(found, key+": a field")
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("looking for deadlines: %v", err)
	}
	return found
}
