package testenv_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"keyfeed/internal/testenv"
)

func TestMain(m *testing.M) {
	// go-redis closes idle connections of a closed pool in goroutines of its own.
	testenv.RunWithoutLeaks(m)
}

func TestServersAnswerAndRestart(t *testing.T) {
	tests := []struct {
		name, version string
		start         func(testing.TB, ...testenv.Option) *testenv.Instance
	}{
		{"path", "", testenv.Redis},
		{"redis-6.2", "6.2.", nil},
		{"redis-7.4", "7.4.", nil},
		{"valkey-9", "7.2.", nil}, // the version that Valkey claims to be compatible with
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := tt.start
			if start == nil {
				start = func(tb testing.TB, opts ...testenv.Option) *testenv.Instance {
					tb.Helper()
					return testenv.Server(tb, tt.name, opts...)
				}
			}
			in := start(t, testenv.Set("databases", "32"))
			ctx := context.Background()
			if err := in.DB(31).Set(ctx, "k", "v", 0).Err(); err != nil {
				t.Fatal(err)
			}
			if got := in.Info("server")["redis_version"]; !strings.HasPrefix(got, tt.version) {
				t.Errorf("redis_version is %q, want %s", got, tt.version)
			}
			if err := in.Client().Do(ctx, "DEBUG", "DIGEST").Err(); err != nil {
				t.Errorf("DEBUG is not allowed: %v", err)
			}
			in.Stop("SAVE")
			in.Restart()
			if got, err := in.DB(31).Get(ctx, "k").Result(); err != nil || got != "v" {
				t.Errorf("after SHUTDOWN SAVE and a restart GET gives %q, %v", got, err)
			}
			in.Kill()
			in.Restart()
			in.Client().Ping(ctx)
		})
	}
}

func TestServerWithPasswordACLAndTLS(t *testing.T) {
	t.Run("password", func(t *testing.T) {
		in := testenv.Redis(t, testenv.Set("requirepass", "sesame"))
		if err := in.Client().Ping(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	})
	t.Run("acl", func(t *testing.T) {
		in := testenv.Redis(t, testenv.ACL("user default off", "user bob on >pw -@all +psync"))
		if err := in.Client().Ping(t.Context()).Err(); err != nil {
			t.Error(err)
		}
		if err := in.Client().Do(t.Context(), "AUTH", "bob", "pw").Err(); err != nil {
			t.Errorf("the user of the file is not there: %v", err)
		}
	})
	t.Run("tls", func(t *testing.T) {
		in := testenv.Redis(t, testenv.TLS())
		if err := in.Client().Ping(t.Context()).Err(); err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(in.URL(), "rediss://127.0.0.1:") {
			t.Errorf("URL is %s", in.URL())
		}
	})
}

func TestReplica(t *testing.T) {
	primary := testenv.Redis(t, testenv.Set("requirepass", "sesame"))
	replica := testenv.Redis(t)
	replica.ReplicaOf(primary)
	ctx := context.Background()
	if err := primary.Client().Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	replica.AwaitOffset(primary)
	if got := replica.Client().Get(ctx, "k").Val(); got != "v" {
		t.Errorf("replica has %q", got)
	}
	if primary.Replid() != replica.Replid() || primary.SyncFull() != 1 {
		t.Errorf("replid %s and %s, sync_full %d", primary.Replid(), replica.Replid(), primary.SyncFull())
	}
	replica.Promote()
	if primary.Replid() == replica.Replid() {
		t.Error("promotion kept the replication id")
	}
}

func TestPause(t *testing.T) {
	in := testenv.Redis(t)
	in.Pause()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := in.Client().Ping(ctx).Err(); err == nil {
		t.Error("a stopped server answers")
	}
	in.Resume()
	if err := in.Client().Ping(context.Background()).Err(); err != nil {
		t.Error(err)
	}
}
