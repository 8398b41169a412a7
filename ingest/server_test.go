package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/testenv"
)

// streaming waits until r streams.
func streaming(tb testing.TB, r *Replica) {
	tb.Helper()
	testenv.Eventually(tb, patience, "streaming", func() bool { return r.Status().State == StateStreaming })
}

// refused runs a Replica that has to give up, and returns why.
func refused(t *testing.T, cfg Config) error {
	t.Helper()
	r, err := New(cfg, newMemory(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = r.Run(ctx)
	if err == nil {
		t.Fatalf("Run went on for %v: %+v", patience, r.Status())
	}
	return err
}

// needsOperator checks that err is final, says all of want, and no secret.
func needsOperator(t *testing.T, err error, want ...string) {
	t.Helper()
	if !errors.Is(err, ErrOperator) {
		t.Fatalf("%v does not wrap ErrOperator", err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "sesame") {
		t.Errorf("%q holds the password", err)
	}
}

func TestPassword(t *testing.T) {
	in := testenv.Redis(t, testenv.Set("requirepass", "sesame"))
	cfg := config(t, in.URL())
	t.Run("right", func(t *testing.T) {
		cfg := cfg
		cfg.Password = "sesame"
		m := newMemory(t)
		streaming(t, follow(t, cfg, m))
		m.caughtUp(t, in)
	})
	t.Run("wrong", func(t *testing.T) {
		cfg := cfg
		cfg.Password = "sesame2"
		needsOperator(t, refused(t, cfg), "AUTH", "WRONGPASS", "KEYFEED_SOURCE_PASSWORD")
	})
	t.Run("none", func(t *testing.T) {
		needsOperator(t, refused(t, cfg), "NOAUTH", "set KEYFEED_SOURCE_PASSWORD")
	})
}

func TestPasswordThatTheServerDoesNotHave(t *testing.T) {
	in := testenv.Redis(t)
	cfg := config(t, in.URL())
	cfg.Password = "sesame"
	needsOperator(t, refused(t, cfg), "AUTH", "remove KEYFEED_SOURCE_PASSWORD")
}

func TestACL(t *testing.T) {
	in := testenv.Redis(t, testenv.ACL(
		"user default off",
		"user least on >sesame -@all +psync +replconf",
		"user blind on >sesame -@all +ping +info",
		"user half on >sesame -@all +replconf +info",
		"user asleep off >sesame +@all",
	))
	for _, d := range []string{"yes", "no"} {
		t.Run("least rights, diskless "+d, func(t *testing.T) {
			in.Client().ConfigSet(t.Context(), "repl-diskless-sync", d)
			cfg := config(t, in.URL())
			cfg.Username, cfg.Password = "least", "sesame"
			m := newMemory(t)
			streaming(t, follow(t, cfg, m))
			in.Client().Set(t.Context(), "a", d, 0)
			m.caughtUp(t, in)
		})
	}
	for user, want := range map[string][]string{
		"blind":  {"REPLCONF", "NOPERM", "ACL SETUSER blind +psync +replconf +ping +info"},
		"half":   {"PSYNC", "NOPERM", "ACL SETUSER half +psync +replconf +ping +info"},
		"asleep": {"AUTH", "WRONGPASS", "that the user is on"},
		"nobody": {"AUTH", "WRONGPASS", "KEYFEED_SOURCE_USERNAME"},
	} {
		t.Run(user, func(t *testing.T) {
			cfg := config(t, in.URL())
			cfg.Username, cfg.Password = user, "sesame"
			needsOperator(t, refused(t, cfg), want...)
		})
	}
}

func TestRightTakenAwayWhileStreaming(t *testing.T) {
	in := testenv.Redis(t, testenv.ACL("user default off", "user kf on >sesame -@all +psync +replconf +info"))
	cfg := config(t, in.URL())
	cfg.Username, cfg.Password = "kf", "sesame"
	r, err := New(cfg, newMemory(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	streaming(t, r)
	if err := in.Client().Do(t.Context(), "ACL", "SETUSER", "kf", "-replconf").Err(); err != nil {
		t.Fatal(err)
	}
	needsOperator(t, <-done, "NOPERM", "+replconf")
}

func clientTLS(t *testing.T, in *testenv.Instance, withCert bool) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(in.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	c := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	if withCert {
		pair, err := tls.LoadX509KeyPair(in.CertFile(), in.KeyFile())
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func TestTLS(t *testing.T) {
	in := testenv.Redis(t, testenv.TLS())
	t.Run("trusted", func(t *testing.T) {
		cfg := config(t, in.URL())
		cfg.TLS = clientTLS(t, in, false)
		m := newMemory(t)
		streaming(t, follow(t, cfg, m))
		in.Client().Set(t.Context(), "a", strings.Repeat("x", 3<<20), 0)
		m.caughtUp(t, in)
	})
	t.Run("unknown authority", func(t *testing.T) {
		needsOperator(t, refused(t, config(t, in.URL())), "TLS", "KEYFEED_SOURCE_TLS_CA_FILE")
	})
	t.Run("other name", func(t *testing.T) {
		cfg := config(t, in.URL())
		cfg.TLS = clientTLS(t, in, false)
		cfg.TLS.ServerName = "redis.example"
		needsOperator(t, refused(t, cfg), "TLS", "a host name that the certificate holds")
	})
	t.Run("plain to the TLS port", func(t *testing.T) {
		cfg := config(t, "redis://"+in.Addr())
		r, err := New(cfg, newMemory(t))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		testenv.Eventually(t, patience, "a failure", func() bool { return r.Status().Failures > 0 })
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err) // never final: a server that restarts looks the same
		}
		if got := r.Status().LastErr; !strings.Contains(got, "use rediss://") {
			t.Errorf("%q does not tell to use rediss://", got)
		}
	})
}

func TestTLSToAPlainPort(t *testing.T) {
	in := testenv.Redis(t)
	needsOperator(t, refused(t, config(t, "rediss://"+in.Addr())), "TLS", "use redis://")
}

func TestTLSClientCertificate(t *testing.T) {
	in := testenv.Redis(t, testenv.TLS(), testenv.Set("tls-auth-clients", "yes"))
	t.Run("given", func(t *testing.T) {
		cfg := config(t, in.URL())
		cfg.TLS = clientTLS(t, in, true)
		streaming(t, follow(t, cfg, newMemory(t)))
	})
	t.Run("missing", func(t *testing.T) {
		cfg := config(t, in.URL())
		cfg.TLS = clientTLS(t, in, false)
		needsOperator(t, refused(t, cfg), "KEYFEED_SOURCE_TLS_CERT_FILE")
	})
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s") // it has to be short: 107 bytes at most
	in := testenv.Redis(t, testenv.Set("unixsocket", path))
	m := newMemory(t)
	streaming(t, follow(t, config(t, "unix://"+path), m))
	in.Client().Set(t.Context(), "a", 1, 0)
	m.sameAsServer(t, in)
}

func TestNotARedis(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	needsOperator(t, refused(t, config(t, "redis://"+l.Addr().String())), "not a Redis", "KEYFEED_SOURCE_URL", "HTTP/1.1 400")
}

// TestWait: only GETACK makes the log durable here, so WAIT returns 1 only if it is answered.
func TestWait(t *testing.T) {
	in := testenv.Redis(t)
	m := newMemory(t)
	m.acked = 0
	streaming(t, follow(t, config(t, in.URL()), m))
	conn := in.Client().Conn()
	defer conn.Close()
	ctx := t.Context()
	for i := range 20 {
		conn.Set(ctx, "k", i, 0)
		m.locked(func() { m.acked = 0 })
		if n, err := conn.Wait(ctx, 1, patience).Result(); err != nil || n != 1 {
			t.Fatalf("WAIT gave %d, %v", n, err)
		}
	}
	m.locked(func() {
		if m.ackNows == 0 {
			t.Error("AckNow was not called")
		}
	})
}

func TestShutdownAndRestartResumePartially(t *testing.T) {
	in := testenv.Redis(t)
	m := newMemory(t)
	r := follow(t, config(t, in.URL()), m)
	streaming(t, r)
	in.Client().Set(t.Context(), "a", 1, 0)
	in.Stop("SAVE") // waits until we have acknowledged everything, GETACK included
	in.Restart()
	testenv.Eventually(t, patience, "streaming again", func() bool { return r.Status().PartialSyncs == 1 })
	in.Client().Set(t.Context(), "b", 1, 0)
	m.caughtUp(t, in)
	if n := in.SyncFull(); n != 0 {
		t.Errorf("%d full resyncs after the restart", n)
	}
	m.locked(func() {
		if len(m.changes) != 1 || len(m.gens) != 1 {
			t.Errorf("changes of id %v, %d snapshots", m.changes, len(m.gens))
		}
		m.last().check(t)
	})
}

func TestCrashWithoutSavingIsAFullResync(t *testing.T) {
	in := testenv.Redis(t)
	m := newMemory(t)
	r := follow(t, config(t, in.URL()), m)
	streaming(t, r)
	in.Kill()
	in.Restart()
	testenv.Eventually(t, patience, "a second snapshot", func() bool { return r.Status().FullSyncs == 2 })
	in.Client().Set(t.Context(), "b", 1, 0)
	m.sameAsServer(t, in)
}

func TestClientKill(t *testing.T) {
	in := testenv.Redis(t)
	m := newMemory(t)
	r := follow(t, config(t, in.URL()), m)
	streaming(t, r)
	ctx := t.Context()
	for i := range 10 {
		in.DB(i%3).Set(ctx, "k", i, 0)
		before := r.Status().PartialSyncs
		if err := in.Client().ClientKillByFilter(ctx, "TYPE", "replica").Err(); err != nil {
			t.Fatal(err)
		}
		in.DB(i%3).Set(ctx, "k", i, 0) // while we are away
		testenv.Eventually(t, patience, "a partial resync", func() bool { return r.Status().PartialSyncs > before })
	}
	m.sameAsServer(t, in)
	if n := in.SyncFull(); n != 1 {
		t.Errorf("%d full resyncs", n)
	}
}

func TestReplicaWhoseMasterIsDown(t *testing.T) {
	in := testenv.Redis(t)
	in.ReplicaOfAddr(testenv.FreeAddr(t))
	m := newMemory(t)
	r := follow(t, config(t, in.URL()), m)
	testenv.Eventually(t, patience, "a refusal", func() bool { return strings.Contains(r.Status().LastErr, "NOMASTERLINK") })
	in.Promote()
	streaming(t, r)
	m.caughtUp(t, in)
}

// TestChainedSource: a replica passes its master's stream on, in the database that was selected there.
func TestChainedSource(t *testing.T) {
	master := testenv.Redis(t)
	in := testenv.Redis(t, testenv.Set("repl-diskless-sync", "yes"))
	in.ReplicaOf(master)
	ctx := t.Context()
	master.DB(5).Set(ctx, "a", 1, 0)
	in.AwaitOffset(master)
	m := newMemory(t)
	r := follow(t, config(t, in.URL()), m)
	streaming(t, r)
	master.DB(5).Set(ctx, "b", 1, 0)
	m.sameAsServer(t, in)
	m.locked(func() {
		if g := m.last(); g.db != 5 || g.unitDB != 5 || strings.Contains(string(g.stream), "SELECT") {
			t.Errorf("db %d at the snapshot, %d now", g.db, g.unitDB)
		}
	})
}

// TestFailover: the address moves to a promoted replica, which knows our history under its second id.
func TestFailover(t *testing.T) {
	// A PING just before the pause could reach us and not the sibling, which would then be behind us.
	master, sibling := testenv.Redis(t, testenv.Set("repl-ping-replica-period", "3600")), testenv.Redis(t)
	sibling.ReplicaOf(master)
	proxy := testenv.Proxy(t, master.Addr())
	m := newMemory(t)
	r := follow(t, config(t, "redis://"+proxy.Addr()), m)
	streaming(t, r)
	ctx := t.Context()
	master.DB(3).Set(ctx, "a", 1, 0)
	m.caughtUp(t, master)
	sibling.AwaitOffset(master)
	master.Pause() // so that nothing more comes to either
	sibling.Promote()
	proxy.Retarget(sibling.Addr())
	proxy.CloseAll(testenv.RST)
	testenv.Eventually(t, patience, "a partial resync", func() bool { return r.Status().PartialSyncs == 1 })
	sibling.DB(4).Set(ctx, "b", 1, 0)
	m.caughtUp(t, sibling)
	m.locked(func() {
		g := m.last()
		g.check(t)
		if len(m.changes) != 1 || m.changes[0] != sibling.Replid() || len(m.gens) != 1 || g.unitDB != 4 {
			t.Errorf("changes of id %v, %d snapshots, db %d", m.changes, len(m.gens), g.unitDB)
		}
	})
	master.Resume()
}

func TestStalledLink(t *testing.T) {
	in := testenv.Redis(t)
	proxy := testenv.Proxy(t, in.Addr())
	cfg := config(t, "redis://"+proxy.Addr())
	cfg.IdleTimeout, cfg.HandshakeTimeout = 1500*time.Millisecond, 1500*time.Millisecond
	in.Client().ConfigSet(t.Context(), "repl-ping-replica-period", "1")
	m := newMemory(t)
	r := follow(t, cfg, m)
	streaming(t, r)
	proxy.Stall()
	before := r.Status() // on a slow machine these times are over now and then without a stall
	in.Client().Set(t.Context(), "a", 1, 0)
	testenv.Eventually(t, patience, "the stall is noticed", func() bool { return r.Status().Failures > before.Failures })
	proxy.Resume()
	testenv.Eventually(t, patience, "a partial resync", func() bool { return r.Status().PartialSyncs > before.PartialSyncs })
	m.sameAsServer(t, in)
}

// load writes commands of many shapes from several clients until n were written by each.
func load(t *testing.T, in *testenv.Instance, n int) {
	t.Helper()
	const seed = 42
	t.Logf("seed %d", seed)
	ctx := t.Context()
	done := make(chan error, 3)
	for w := range 3 {
		go func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(w)))
			c := in.DB(w)
			var err error
			for i := 0; i < n && err == nil; i++ {
				k := fmt.Sprint("k", rnd.IntN(100))
				switch rnd.IntN(6) {
				case 0:
					err = c.Set(ctx, k, strings.Repeat("v", rnd.IntN(2000)), 0).Err()
				case 1:
					_, err = c.TxPipelined(ctx, func(p redis.Pipeliner) error {
						for j := range 1 + rnd.IntN(20) {
							p.HSet(ctx, "h"+k, fmt.Sprint(j), strings.Repeat("f", rnd.IntN(50)))
						}
						return nil
					})
				case 2:
					err = c.Del(ctx, k).Err()
				case 3:
					err = c.Eval(ctx, "redis.call('SET',KEYS[1],1) redis.call('INCR',KEYS[1]) return 1", []string{"e" + k}).Err()
				case 4:
					err = c.RPush(ctx, "l"+k, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12).Err()
				case 5:
					if i%50 == 0 {
						err = c.Set(ctx, k, strings.Repeat("B", 1500<<10), 0).Err() // larger than a chunk
					}
				}
			}
			done <- err
		}()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestRandomWritesWhileTheLinkIsCut(t *testing.T) {
	in := testenv.Redis(t, testenv.Set("repl-backlog-size", "256mb"))
	proxy := testenv.Proxy(t, in.Addr())
	m := newMemory(t)
	r := follow(t, config(t, "redis://"+proxy.Addr()), m)
	streaming(t, r)
	for i := range 12 {
		how := testenv.FIN
		if i%2 == 1 {
			how = testenv.RST
		}
		proxy.CutAfter(testenv.Down, int64(2000+i*i*40_000), how)
	}
	load(t, in, 700)
	m.sameAsServer(t, in)
	if n := in.SyncFull(); n != 1 {
		t.Errorf("%d full resyncs", n)
	}
	if n := r.Status().PartialSyncs; n < 5 {
		t.Errorf("only %d partial resyncs", n)
	}
}

// TestCutPoints cuts the first connection to a real server after n bytes, both ways: a sample of handshake, snapshot and
// stream, and around the boundaries. Every byte is cut against the scripted primary (TestCutAtEveryByte).
func TestCutPoints(t *testing.T) {
	for _, diskless := range []string{"yes", "no"} {
		t.Run("diskless "+diskless, func(t *testing.T) {
			in := testenv.Redis(t, testenv.Set("repl-diskless-sync", diskless), testenv.Set("repl-backlog-size", "64mb"))
			ctx := t.Context()
			for i := range 30 {
				in.DB(i%2).Set(ctx, fmt.Sprint("k", i), strings.Repeat("x", 100), 0)
			}
			proxy := testenv.Proxy(t, in.Addr())

			// One uncut link tells where things are.
			sizes := map[testenv.Direction]int64{}
			var payload int64
			attempt := func(t *testing.T, must bool, arm func()) {
				t.Helper()
				m := newMemory(t)
				arm()
				r, err := New(config(t, "redis://"+proxy.Addr()), m)
				if err != nil {
					t.Fatal(err)
				}
				run, cancel := context.WithCancel(ctx)
				done := make(chan error, 1)
				go func() { done <- r.Run(run) }()
				streaming(t, r)
				_, err = in.DB(3).TxPipelined(ctx, func(p redis.Pipeliner) error {
					p.Set(ctx, "a", 1, 0)
					p.Set(ctx, "b", strings.Repeat("y", 300), 0)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				m.sameAsServer(t, in)
				// How many ACKs go up depends on how long it all takes, and one more goes every second.
				testenv.Eventually(t, patience, "the link reaches the cut", func() bool { return proxy.Armed() == 0 || !must })
				m.sameAsServer(t, in)
				cancel()
				if err := <-done; err != nil {
					t.Errorf("Run: %v", err)
				}
				m.locked(func() { payload = int64(len(m.last().rdb)) })
			}
			before := map[testenv.Direction]int64{testenv.Up: proxy.Bytes(testenv.Up), testenv.Down: proxy.Bytes(testenv.Down)}
			attempt(t, true, func() {})
			for dir, n := range before {
				sizes[dir] = proxy.Bytes(dir) - n
			}
			down := sizes[testenv.Down]
			begin := down - payload - 430 // where the payload begins, nearly: attempt writes a stream of some 430 bytes
			end := begin + payload
			points := map[testenv.Direction][]int64{
				testenv.Up:   {0, 20, sizes[testenv.Up] / 2, sizes[testenv.Up] - 80},
				testenv.Down: {0, 3, begin / 2, begin - 60, begin - 25, begin, begin + 9, begin + payload/2, end - 20, end, end + 45, end + 200, down - 1},
			}
			for dir, at := range points {
				for i, n := range at {
					how := []testenv.Cut{testenv.FIN, testenv.RST}[i%2]
					attempt(t, dir == testenv.Up || n < end, func() { proxy.CutAfter(dir, n, how) })
					proxy.Disarm() // behind the end there may be nothing to cut
					if t.Failed() {
						t.Fatalf("cut after %d bytes, direction %v, %v", n, dir, how)
					}
				}
			}
			t.Logf("%d connections, %d bytes up, %d down", proxy.Connections(), sizes[testenv.Up], sizes[testenv.Down])
		})
	}
}

func TestProbe(t *testing.T) {
	in := testenv.Redis(t, testenv.Set("repl-backlog-size", "1mb"), testenv.ACL(
		"user kf on >sesame -@all +psync +replconf +info +ping +acl|dryrun",
		"user half on >sesame -@all +info +acl|dryrun",
		"user least on >sesame -@all +psync +replconf",
	))
	ctx := t.Context()
	in.Client().Set(ctx, "a", 1, 0)
	in.DB(2).Set(ctx, "a", 1, 0)
	tests := []struct {
		user            string
		psync, replconf Access
		keys            int64
	}{
		{"", AccessAllowed, AccessAllowed, 2},
		{"kf", AccessAllowed, AccessAllowed, 2},
		{"half", AccessDenied, AccessDenied, 2},
		{"least", AccessUnknown, AccessAllowed, 0},
	}
	before := in.Info("stats")["sync_full"]
	for _, tt := range tests {
		t.Run("user "+tt.user, func(t *testing.T) {
			cfg := config(t, in.URL())
			if cfg.Username = tt.user; tt.user != "" {
				cfg.Password = "sesame"
			}
			got, err := Probe(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if got.PSYNC != tt.psync || got.REPLCONF != tt.replconf || got.Server.Keys != tt.keys {
				t.Errorf("%+v", got)
			}
			if tt.keys > 0 && (got.Server.Kind != "redis" || got.Server.Role != "master" || got.Server.ReplID != in.Replid() ||
				got.Server.BacklogSize != 1<<20) {
				t.Errorf("%+v", got.Server)
			}
		})
	}
	if after := in.Info("stats")["sync_full"]; after != before {
		t.Error("Probe started a full resync")
	}
	cfg := config(t, in.URL())
	cfg.Username, cfg.Password = "kf", "sesame2"
	_, err := Probe(ctx, cfg)
	needsOperator(t, err, "WRONGPASS")
}
