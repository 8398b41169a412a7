//go:build e2e

package e2e

import (
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyfeed/internal/testenv"
)

// refused runs keyfeed, which must end by itself with the code, and say all of the texts.
func refused(t *testing.T, code int, env []string, texts ...string) {
	t.Helper()
	k := startKeyfeed(t, env...)
	if got := k.now.Wait(patience); got != code {
		t.Errorf("exit code %d, want %d; output:\n%s", got, code, k.now.Output())
	}
	for _, text := range texts {
		if !regexp.MustCompile(text).MatchString(k.now.Output()) {
			t.Errorf("the output does not say %q:\n%s", text, k.now.Output())
		}
	}
}

// Every problem of the configuration is in one report.
func TestConfigurationProblems(t *testing.T) {
	refused(
		t, 2, []string{
			"KEYFEED_SOURCE_ULR=redis://127.0.0.1:1", "KEYFEED_SINK=rabbit", "KEYFEED_HEARTBEAT_INTERVAL=soon",
			"KEYFEED_SOURCE_NAME=", "KEYFEED_KAFKA_BROKERS=127.0.0.1:1",
		},
		"KEYFEED_SOURCE_ULR", "KEYFEED_SOURCE_URL", "KEYFEED_SINK must be", "KEYFEED_HEARTBEAT_INTERVAL", "KEYFEED_SOURCE_NAME",
	)
	refused(t, 2, []string{"KEYFEED_SOURCE_URL=redis://127.0.0.1:1/3"}, "KEYFEED_SOURCE_URL", "database")
}

// Kubernetes injects such names for a Service called keyfeed; they are no settings.
func TestKubernetesServiceNamesAreNoProblem(t *testing.T) {
	source := testenv.Redis(t)
	k := startKeyfeed(
		t, "KEYFEED_SINK=discard", "KEYFEED_SOURCE_URL="+source.URL(), "KEYFEED_SERVICE_HOST=10.0.0.1", "KEYFEED_SERVICE_PORT=80",
		"KEYFEED_PORT=tcp://10.0.0.1:80", "KEYFEED_PORT_80_TCP=tcp://10.0.0.1:80", "KEYFEED_PORT_80_TCP_ADDR=10.0.0.1",
	)
	awaitFullSync(t, k, source)
	k.terminate()
}

func TestCredentialsThatAreWrong(t *testing.T) {
	tests := []struct {
		name  string
		opts  []testenv.Option
		env   []string
		texts []string
	}{
		{
			"no password",
			[]testenv.Option{testenv.Set("requirepass", "sesame")},
			nil,
			[]string{"KEYFEED_SOURCE_PASSWORD"},
		},
		{
			"wrong password",
			[]testenv.Option{testenv.Set("requirepass", "sesame")},
			[]string{"KEYFEED_SOURCE_PASSWORD=open-onion"},
			[]string{"(?i)password"},
		},
		{
			"missing ACL",
			[]testenv.Option{testenv.ACL("user bob on >pw ~* &* +@all -psync")},
			[]string{"KEYFEED_SOURCE_USERNAME=bob", "KEYFEED_SOURCE_PASSWORD=pw"},
			[]string{`(?i)ACL SETUSER bob.*\+psync`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source := testenv.Redis(t, tt.opts...)
			proxy := testenv.Proxy(t, source.Addr())
			refused(t, 3, append(tt.env, "KEYFEED_SINK=discard", "KEYFEED_SOURCE_URL=redis://"+proxy.Addr()), tt.texts...)
			if n := proxy.Connections(); n > 3 {
				t.Errorf("keyfeed has connected %d times", n)
			}
		})
	}
	t.Run("right", func(t *testing.T) {
		source := testenv.Redis(t, testenv.ACL("user default off", "user bob on >pw -@all +psync +replconf"))
		k := startKeyfeed(
			t, "KEYFEED_SINK=discard", "KEYFEED_SOURCE_URL="+source.URL(), "KEYFEED_SOURCE_USERNAME=bob", "KEYFEED_SOURCE_PASSWORD=pw",
		)
		awaitFullSync(t, k, source)
		k.terminate()
		if strings.Contains(k.now.Output(), ">pw") {
			t.Error("the output holds the password")
		}
	})
}

// Against an end that is not what it should be keyfeed says so, and either ends with code 3 or tries again, slowly.
func TestSourcesThatAreNone(t *testing.T) {
	plain, secure := testenv.Redis(t), testenv.Redis(t, testenv.TLS())
	tests := []struct {
		name, scheme, target, text string
	}{
		{"TLS to a plain port", "rediss", plain.Addr(), "(?i)tls"},
		{"plain to a TLS port", "redis", secure.Addr(), "(?i)tls|rediss"},
		{"an HTTP server", "redis", serve(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), "(?i)not a redis|HTTP"},
		{"a server without PSYNC", "redis", serveRedis(t, "-ERR unknown command 'PSYNC'\r\n"), "(?i)psync"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			proxy := testenv.Proxy(t, tt.target)
			k := startKeyfeed(
				t, "KEYFEED_SINK=discard", "KEYFEED_SOURCE_URL="+tt.scheme+"://"+proxy.Addr(), "KEYFEED_SOURCE_RECONNECT_MIN=2s",
				"KEYFEED_SOURCE_RECONNECT_MAX=2s",
			)
			started := time.Now()
			re := regexp.MustCompile(tt.text)
			testenv.Eventually(t, patience, "the output says "+tt.text, func() bool { return re.MatchString(k.now.Output()) })
			select {
			case <-k.now.Done():
				if code := k.now.Wait(time.Second); code != 3 {
					t.Errorf("exit code %d, want 3; output:\n%s", code, k.now.Output())
				}
			case <-time.After(3 * time.Second):
			}
			// Between two attempts, each of which may connect twice, is a second at least.
			if n, most := proxy.Connections(), 2+2*int64(time.Since(started)/time.Second); n > most {
				t.Errorf("keyfeed has connected %d times in %v, want at most %d", n, time.Since(started), most)
			}
		})
	}
}

// serve answers every connection with the text.
func serve(t *testing.T, text string) string {
	t.Helper()
	return listen(t, func(c net.Conn) {
		_, _ = io.ReadAtLeast(c, make([]byte, 100), 1)
		_, _ = io.WriteString(c, text)
	})
}

// serveRedis answers +OK to every command but PSYNC, and to that the text.
func serveRedis(t *testing.T, psync string) string {
	t.Helper()
	return listen(t, func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			text := strings.ToUpper(string(buf[:n]))
			answers := strings.Repeat("+OK\r\n", strings.Count(text, "*"))
			if strings.Contains(text, "PSYNC") {
				answers = psync
			}
			if _, err := io.WriteString(c, answers); err != nil {
				return
			}
		}
	})
}

func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); handle(c) }()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A replica whose master is away cannot serve; keyfeed waits for it, and goes on by itself.
func TestReplicaWhoseMasterIsAway(t *testing.T) {
	source := testenv.Redis(t)
	source.ReplicaOfAddr(testenv.FreeAddr(t))
	k := startKeyfeed(t, "KEYFEED_SINK=discard", "KEYFEED_SOURCE_URL="+source.URL())
	k.now.WaitLine(regexp.MustCompile(`NOMASTERLINK|(?i)master link`), patience)
	source.Promote()
	awaitFullSync(t, k, source)
	k.terminate()
}

func TestSecondKeyfeedOnTheSameDataDir(t *testing.T) {
	source := testenv.Redis(t)
	dir := t.TempDir()
	env := []string{"KEYFEED_SINK=discard", "KEYFEED_SOURCE_URL=" + source.URL(), "KEYFEED_DATA_DIR=" + dir}
	first := startKeyfeed(t, env...)
	awaitFullSync(t, first, source)
	refused(t, 3, env, regexp.QuoteMeta(dir))
	first.running()
	// What one keyfeed has acknowledged stays to be seen for a moment after its end: each has to acknowledge something new.
	follows := func() {
		t.Helper()
		if err := source.Client().Incr(t.Context(), "k").Err(); err != nil {
			t.Fatal(err)
		}
		written := source.Offset()
		testenv.Eventually(t, patience, "keyfeed follows the source", func() bool { return acknowledged(source) >= written })
	}
	follows()
	first.terminate()
	// Its end frees the directory, also when it was killed.
	again := startKeyfeed(t, env...)
	follows()
	again.kill()
	last := startKeyfeed(t, env...)
	follows()
	last.terminate()
	if n := source.SyncFull(); n != 1 {
		t.Errorf("%d full syncs, want 1", n)
	}
}

// The second SIGTERM does not wait for the sink.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	source, server := testenv.Redis(t), testenv.NATSServer(t)
	blackhole := testenv.Proxy(t, server.Addr())
	col := newCollector(t, 1)
	readJetStream(t, server.URL(), col)
	k := startKeyfeed(
		t, "KEYFEED_SINK=nats", "KEYFEED_NATS_URL=nats://"+blackhole.Addr(), "KEYFEED_NATS_TIMEOUT=10m", "KEYFEED_SOURCE_URL="+source.URL(),
		"KEYFEED_SHUTDOWN_TIMEOUT=1h",
	)
	col.awaitKind(k, "snapshot_end", 1, patience)
	// Nothing but this value is as long: when the link stalls, keyfeed is in the middle of publishing it.
	blackhole.StallAfter(testenv.Up, blackhole.Bytes(testenv.Up)+50_000)
	if err := source.Client().Set(t.Context(), "k", strings.Repeat("v", 500_000), 0).Err(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, "keyfeed publishes", func() bool { return blackhole.Armed() == 0 })
	k.now.Signal(syscall.SIGTERM)
	testenv.Eventually(t, patience, "keyfeed leaves the source at the first SIGTERM", func() bool { return acknowledged(source) == 0 })
	select {
	case <-k.now.Done():
		t.Fatal("keyfeed ended at the first SIGTERM, with events that were not published and time to do it")
	case <-time.After(500 * time.Millisecond):
	}
	k.now.Signal(syscall.SIGTERM)
	if code := k.now.Wait(patience); code != -1 {
		t.Errorf("keyfeed ended with code %d after the second SIGTERM, want the end that the signal brings", code)
	}
}
