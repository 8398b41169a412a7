package verify_test

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"keyfeed/internal/testenv"
	"keyfeed/internal/verify"
)

func TestRefusalsNameTheRemedy(t *testing.T) {
	t.Parallel()
	open := server(t, "")
	locked := server(t, "", testenv.Set("requirepass", "sesame"))
	acl := server(t, "", testenv.ACL("user bob on >pw -@all +ping ~*"))
	small := server(t, "", testenv.Set("databases", "2"))
	(&filler{t: t, in: open, db: 9}).do("SET k v")
	password := func(in *testenv.Instance, user, pw string) verify.Server {
		s := reach(in)
		s.Username, s.Password = user, pw
		return s
	}
	tests := []struct {
		name           string
		source, target verify.Server
		want           []string
	}{
		{"no password", reach(open), reach(locked), []string{"target: ", "NOAUTH", "KEYFEED_TARGET_PASSWORD"}},
		{"wrong password", password(locked, "", "guess"), reach(open), []string{"source: AUTH: WRONGPASS", "correct the user"}},
		{"no rights", password(acl, "bob", "pw"), reach(open), []string{"source: ", "NOPERM", "docs/verify.md"}},
		{"fewer databases", reach(open), reach(small), []string{"target: ", "selecting database 9", "raise databases"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := verify.New(verify.Options{Source: tt.source, Target: tt.target}).Run(t.Context())
			if !errors.Is(err, verify.ErrOperator) {
				t.Fatalf("error %v, want ErrOperator", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not hold %q", err, want)
				}
			}
			for _, secret := range []string{"sesame", "guess", "pw"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("error %q holds a password", err)
				}
			}
		})
	}
	if _, err := verify.New(verify.Options{Source: password(locked, "", "sesame"), Target: password(locked, "default", "sesame")}).Run(t.Context()); err != nil {
		t.Errorf("with the right password: %v", err)
	}
}

// The rights in docs/verify.md are enough.
func TestRightsOfTheManualSuffice(t *testing.T) {
	t.Parallel()
	in := server(t, "redis-7.4", testenv.ACL("user verify on >pw "+rightsOfTheManual(t)))
	every(&filler{t: t, in: in})
	fieldDeadlines(&filler{t: t, in: in})
	s := reach(in)
	s.Username, s.Password = "verify", "pw"
	var found []string
	report := func(f verify.Finding) error {
		found = append(found, f.String())
		return nil
	}
	sum, err := verify.New(verify.Options{Source: s, Target: s, Report: report}).Run(t.Context())
	if err != nil || sum.Different != 0 || sum.Keys == 0 {
		t.Errorf("%+v, %v, found %v", sum, err, found)
	}
}

// A server that goes away in the middle is an error: what was not compared is not equal.
func TestServerThatGoesIsAnError(t *testing.T) {
	t.Parallel()
	source, target := twins(t, "", "", every)
	v := verify.New(verify.Options{Source: reach(source), Target: reach(target), MaxRate: 400})
	var wg sync.WaitGroup
	wg.Go(func() {
		testenv.Eventually(t, time.Minute, "some keys are compared", func() bool { return v.Progress().Keys > 0 })
		target.Kill()
	})
	_, err := v.Run(t.Context())
	wg.Wait()
	if se, ok := errors.AsType[*verify.ServerError](err); !ok || se.Server != "target" || errors.Is(err, verify.ErrOperator) {
		t.Errorf("error %v, want one of the target that heals by itself", err)
	}
}

// The rate is an upper bound, so time is a lower one.
func TestRateIsHeld(t *testing.T) {
	t.Parallel()
	source, target := twins(t, "", "", func(f *filler) {
		f.pipeline(300, func(i int) []any { return []any{"SET", fmt.Sprint("key:", i), "v"} })
		f.each("SADD set", 600, func(i int) []string { return []string{fmt.Sprint("member ", i)} })
	})
	began := time.Now()
	compare(t, source, target, func(o *verify.Options) { o.MaxRate = 2000 })
	// 301 keys and 600 elements, twice, less the burst of a quarter of a second.
	if took, least := time.Since(began), (2*901-500)*time.Second/2000; took < least {
		t.Errorf("took %v, with this rate it takes %v at least", took, least)
	}
}

// Values pass through a hash and are not held.
func TestMemoryIsBounded(t *testing.T) { // not parallel: it counts what is allocated
	source, target := twins(t, "", "", func(f *filler) {
		large := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
		f.args("SET", "string", strings.Repeat(large, 32))
		for i := range 32 {
			f.args("HSET", "hash", fmt.Sprint(i), large)
			f.args("RPUSH", "list", large)
			f.args("XADD", "stream", "*", "f", large)
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	wantEqual(t, source, target)
	runtime.ReadMemStats(&after)
	// 256 MiB were read.
	if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 8 {
		t.Errorf("%d MiB were allocated", got)
	}
}

// A difference that cannot be printed ends the run.
func TestReportErrorEndsTheRun(t *testing.T) {
	t.Parallel()
	source, target := server(t, ""), server(t, "")
	(&filler{t: t, in: source}).do("SET k v")
	full := errors.New("disk full")
	_, err := verify.New(verify.Options{Source: reach(source), Target: reach(target), Report: func(verify.Finding) error { return full }}).Run(t.Context())
	if !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
}

func TestLibrariesOfFunctions(t *testing.T) {
	t.Parallel()
	source, target := server(t, ""), server(t, "")
	code := func(name, body string) string {
		return fmt.Sprintf("#!lua name=%s\nredis.register_function('%[1]s_f', function() return %s end)", name, body)
	}
	a, b := &filler{t: t, in: source}, &filler{t: t, in: target}
	for _, f := range []*filler{a, b} {
		f.args("FUNCTION", "LOAD", code("same", "1"))
	}
	a.args("FUNCTION", "LOAD", code("changed", "1"))
	b.args("FUNCTION", "LOAD", code("changed", "2"))
	a.args("FUNCTION", "LOAD", code("lost", "1"))
	b.args("FUNCTION", "LOAD", code("extra", "1"))
	lines, _ := compare(t, source, target)
	want := "library \"changed\": function differs\nlibrary \"extra\": function: source missing, target present\nlibrary \"lost\": function: source present, target missing"
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Connections that were idle are made anew, by threes of which one may be in the middle of an answer.
func TestIdleConnectionsAreRenewed(t *testing.T) {
	t.Parallel()
	source, target := twins(t, "", "", every)
	connected := func() int {
		n, err := strconv.Atoi(source.Info("stats")["total_connections_received"])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := connected()
	lines, _ := compare(t, source, target, func(o *verify.Options) { o.IdleLimit = time.Nanosecond }) // each time
	if n := connected() - before; len(lines) > 0 || n < 20 {
		t.Errorf("%d connections, found %v", n, lines)
	}
}

// A cursor means nothing to another process: going on with it would miss keys.
func TestServerThatIsReplacedIsAnError(t *testing.T) {
	t.Parallel()
	source, target := twins(t, "", "", func(f *filler) {
		f.pipeline(2000, func(i int) []any { return []any{"SET", fmt.Sprint("key:", i), "v"} })
	})
	proxy := testenv.Proxy(t, source.Addr())
	s := verify.Server{Network: "tcp", Address: proxy.Addr()}
	var once sync.Once
	v := verify.New(verify.Options{
		Source: s, Target: reach(target), IdleLimit: time.Nanosecond,
		Report: func(verify.Finding) error {
			once.Do(func() {
				other := server(t, "")
				proxy.Retarget(other.Addr())
			})
			return nil
		},
	})
	(&filler{t: t, in: target}).do("DEL key:7")
	_, err := v.Run(t.Context())
	if se, ok := errors.AsType[*verify.ServerError](err); !ok || se.Server != "source" || !strings.Contains(err.Error(), "compare again") {
		t.Errorf("error %v, want that the source was replaced", err)
	}
}
