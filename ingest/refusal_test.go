package ingest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyfeed/internal/change"
	"keyfeed/internal/fakeprimary"
	"keyfeed/internal/resp"
)

// TestRefusals: what each reply does to the link. want is what the error says; operator, that Run gives up at once.
func TestRefusals(t *testing.T) {
	psync := func(line string) func(c *fakeprimary.Conn) {
		return func(c *fakeprimary.Conn) {
			if _, _, err := c.Handshake(nil); err == nil {
				_ = c.Send("\n\n", line, "\r\n")
			}
		}
	}
	replies := func(name, line string) func(c *fakeprimary.Conn) {
		return func(c *fakeprimary.Conn) { _, _, _ = c.Handshake(map[string]string{name: line + "\r\n"}) }
	}
	tests := []struct {
		name     string
		script   func(c *fakeprimary.Conn)
		operator bool
		want     string
	}{
		{"no master link", psync("-NOMASTERLINK Can't SYNC while not connected with my master"), false, "its own master is down"},
		{"no master link, 3.2", psync("-ERR Can't SYNC while not connected with my master"), false, "its own master is down"},
		{"loading", psync("-LOADING Redis is loading the dataset in memory"), false, "not ready"},
		{"master down", psync("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."), false, "not ready"},
		{"busy", psync("-BUSY Redis is busy running a script."), false, "not ready"},
		{"fork failed", psync("-ERR BGSAVE failed, replication can't continue"), false, "could not fork"},
		{"noauth", psync("-NOAUTH Authentication required."), true, "KEYFEED_SOURCE_PASSWORD"},
		{"noperm", psync("-NOPERM this user has no permissions to run the 'psync' command"), true, "ACL SETUSER default +psync"},
		{"unknown command", psync("-ERR unknown command 'PSYNC', with args beginning with: '?' '-1'"), true, "managed services"},
		{"unknown command, 6.0", psync("-ERR unknown command `PSYNC`, with args beginning with: `?`, `-1`, "), true, "managed services"},
		{"disallowed", psync("-ERR Command disallowed"), true, "managed services"},
		{"arity", psync("-ERR wrong number of arguments for 'psync' command"), true, "managed services"},
		{"renamed", psync("$EOF:" + fakeprimary.Mark), true, "answers PSYNC like SYNC"},
		{"something new", psync("-STRANGE things happen"), false, "STRANGE things"},
		{"a line that is no answer", psync("+OK"), false, "an answer that PSYNC does not have"},
		{"dual channel", psync("+DUALCHANNELSYNC"), false, "an answer that PSYNC does not have"},
		{"continue instead of full", psync("+CONTINUE " + replidA), false, "to a request for a full resync"},
		{"bad id", psync("+FULLRESYNC xyz 1"), false, "without an id and an offset"},
		{"bad offset", psync("+FULLRESYNC " + replidA + " -1"), false, "without an id and an offset"},
		{"no payload header", psync("+FULLRESYNC " + replidA + " 1\r\nREDIS"), false, "expected the size of the payload"},
		{"negative size", psync("+FULLRESYNC " + replidA + " 1\r\n$-5"), false, "expected the size of the payload"},
		{"short mark", psync("+FULLRESYNC " + replidA + " 1\r\n$EOF:abc"), false, "a payload mark of 3 bytes"},
		{"error instead of payload", psync("+FULLRESYNC " + replidA + " 1\r\n-ERR BGSAVE failed"), false, "could not fork"},
		{"closed while waiting", psync("+FULLRESYNC " + replidA + " 1"), false, "its log tells why"},
		{"closed in the payload", psync("+FULLRESYNC " + replidA + " 1\r\n$500\r\nREDIS"), false, "received 7 of 500 bytes"},
		{"auth, no password set", replies("AUTH", "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"), true, "remove KEYFEED_SOURCE_PASSWORD"},
		{"auth, no password set, 5.0", replies("AUTH", "-ERR Client sent AUTH, but no password is set"), true, "remove KEYFEED_SOURCE_PASSWORD"},
		{"auth, wrong, 5.0", replies("AUTH", "-ERR invalid password"), true, "check KEYFEED_SOURCE_PASSWORD"},
		{"auth echoed", replies("AUTH", "-ERR unknown command 'AUTH', with args beginning with: 'sesame' "), true, "unknown command 'AUTH'\""},
		{"auth echoed plainly", replies("AUTH", "-WRONGPASS not sesame"), true, "not ***"},
		{"replconf blocked", replies("REPLCONF", "-ERR Command disallowed"), true, "managed services"},
		{"replconf not permitted", replies("REPLCONF", "-NOPERM no"), true, "ACL SETUSER"},
		{"sentinel", replies("INFO", "$24\r\nredis_mode:sentinel\r\na:b"), true, "this is a Sentinel"},
		{"protected mode", replies("PING", "-DENIED Redis is running in protected mode because"), true, "protected mode"},
		{"full house", replies("PING", "-ERR max number of clients reached"), false, "raise maxclients"},
		{"TLS port", replies("PING", "\x15\x03\x01\x00\x02\x02\x46"), true, "use rediss://"},
		{"web server", replies("PING", "HTTP/1.1 400 Bad Request"), true, "not a Redis"},
		{"noise after a good start", replies("INFO", "noise"), true, "not a Redis"},
		{"a huge bulk", replies("INFO", "$2147483647"), true, "not a Redis"},
		{"an endless line", replies("INFO", "+"+strings.Repeat("x", 40_000)), true, "longer than any Redis sends"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { tt.script(c) })
				cfg := fakeConfig(t, p)
				cfg.Password = "sesame"
				m := newMemory(t)
				m.plain = true
				r, err := New(cfg, m)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				err = r.Run(ctx)
				p.Close()
				said := r.Status().LastErr
				switch {
				case tt.operator:
					needsOperator(t, err, tt.want)
					if n := p.Connections(); n != 1 {
						t.Errorf("%d connections to a server that will not have us", n)
					}
				case err != nil:
					t.Errorf("Run gave up: %v", err)
				case !strings.Contains(said, tt.want):
					t.Errorf("the link ended with %q, want %q", said, tt.want)
				case p.Connections() < 2:
					t.Error("it was not tried again")
				}
				if strings.Contains(said, "sesame") {
					t.Errorf("%q holds the password", said)
				}
			})
		})
	}
}

// TestIgnoredReplies: what a real replica does not mind, we do not mind.
func TestIgnoredReplies(t *testing.T) {
	for name, replies := range map[string]map[string]string{
		"PING is not permitted":      {"PING": "-NOPERM this user has no permissions to run the 'ping' command\r\n"},
		"PING wants a password":      {"PING": "-NOAUTH Authentication required.\r\n"},
		"PING cannot save":           {"PING": "-MISCONF Redis is configured to save RDB snapshots\r\n"},
		"PING while loading":         {"PING": "-LOADING Redis is loading the dataset in memory\r\n"},
		"CLIENT is blocked":          {"CLIENT": "-ERR unknown command 'CLIENT'\r\n"},
		"INFO is not permitted":      {"INFO": "-NOPERM no\r\n"},
		"INFO is null":               {"INFO": "$-1\r\n"},
		"old server, listening":      {"REPLCONF LISTENING-PORT": "-ERR Unrecognized REPLCONF option: listening-port\r\n"},
		"old server, capa":           {"REPLCONF CAPA": "-ERR Unrecognized REPLCONF option: capa\r\n"},
		"version is unknown":         {"INFO": "-NOPERM no\r\n", "REPLCONF VERSION": "-ERR Unrecognized REPLCONF option: version\r\n"},
		"capa is answered at length": {"REPLCONF CAPA": "+OK active-replica 1\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := sampleHistory(true)
				h.Replies = replies
				p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { _ = h.Serve(c) })
				cfg := fakeConfig(t, p)
				cfg.Password, cfg.ClientName, cfg.Announce = "sesame", "keyfeed", "-1"
				m := newMemory(t)
				f := start(t, cfg, m, p)
				m.until(func() bool { return m.last() != nil && m.last().end() == h.Offset+int64(len(h.Stream)) })
				f.stop(t)
				m.complete(t, h)
				if p.Connections() != 1 {
					t.Errorf("%d connections", p.Connections())
				}
			})
		})
	}
}

// TestHandshakeOrder: what is sent, in which order, each after the reply to the one before.
func TestHandshakeOrder(t *testing.T) {
	valkey := fakeprimary.Bulk("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.0.1\r\nserver_mode:standalone\r\n")
	for _, tt := range []struct {
		name string
		cfg  Config
		info string
		want []string
	}{
		{"bare", Config{}, fakeprimary.Bulk(fakeprimary.Info), []string{
			"PING", "INFO server", "INFO keyspace", "INFO replication", "REPLCONF capa eof capa psync2", "PSYNC ? -1",
		}},
		{"all", Config{Username: "kf", Password: "sesame", ClientName: "keyfeed", Announce: "10.0.0.1:7000"}, valkey, []string{
			"PING", "AUTH kf sesame", "CLIENT SETNAME keyfeed", "INFO server", "INFO keyspace", "INFO replication", "REPLCONF listening-port 7000",
			"REPLCONF ip-address 10.0.0.1", "REPLCONF capa eof capa psync2", "REPLCONF version 9.0.0", "PSYNC ? -1",
		}},
		{"password alone, odd port", Config{Password: "sesame", Announce: "-1"}, "-NOPERM no\r\n", []string{
			"PING", "AUTH sesame", "INFO server", "INFO keyspace", "INFO replication", "REPLCONF listening-port -1", "REPLCONF capa eof capa psync2",
			"REPLCONF version 9.0.0", "PSYNC ? -1",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []string
				p := fakeprimary.New(func(n int, c *fakeprimary.Conn) {
					for n == 0 {
						args, err := c.Read()
						if err != nil {
							return
						}
						got = append(got, strings.Join(args, " "))
						switch args[0] {
						case "PSYNC":
							return
						case "INFO":
							_ = c.Send(tt.info)
						default:
							_ = c.Send("+OK\r\n")
						}
					}
				})
				cfg := tt.cfg
				cfg.Dial = p.Dial
				m := newMemory(t)
				f := start(t, cfg, m, p)
				m.until(func() bool { return len(m.resumes) == 2 })
				f.stop(t)
				if g, w := strings.Join(got, "\n"), strings.Join(tt.want, "\n"); g != w {
					t.Errorf("sent\n%s\nwant\n%s", g, w)
				}
			})
		})
	}
}

// TestDesync: bytes that are no stream end the link, are logged as hex, and the next attempt asks for everything.
func TestDesync(t *testing.T) {
	long := commands("SET a " + strings.Repeat("x", 400))
	for name, tt := range map[string]struct {
		stream string
		good   int // bytes of whole units in front of the wrong byte
		at     int // index of the wrong byte
	}{
		"at once":            {"GARBAGE", 0, 0},
		"inline command":     {commands("SET a 1") + "PING\r\n", 27, 27},
		"missing $":          {commands("SET a 1") + "*2\r\n3\r\n", 27, 31},
		"body of other size": {long + "*1\r\n$4\r\nPINGG\r\n", len(long), len(long) + 12},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				good := sampleHistory(false)
				bad := *good
				bad.ReplID, bad.Stream = replidB, tt.stream
				p := fakeprimary.New(func(n int, c *fakeprimary.Conn) {
					if n == 0 {
						_ = bad.Serve(c)
						return
					}
					_ = good.Serve(c)
				})
				cfg := fakeConfig(t, p)
				cfg.Logger = slog.New(slog.NewTextHandler(&out, nil))
				m := newMemory(t)
				f := start(t, cfg, m, p)
				m.until(func() bool { return len(m.gens) == 2 && m.last().end() == good.Offset+int64(len(good.Stream)) })
				f.stop(t)
				m.complete(t, good)
				if len(m.desyncs) != 1 || m.desyncs[0].Offset != bad.Offset+int64(tt.at)+1 {
					t.Fatalf("desyncs %v, want one at offset %d", m.desyncs, bad.Offset+int64(tt.at)+1)
				}
				if got := len(m.gens[0].stream); got > tt.good {
					t.Errorf("%d bytes were appended, only %d are good", got, tt.good)
				}
				seen := tt.stream[max(0, len(tt.stream)-contextBytes):]
				if !strings.Contains(out.String(), "last_bytes_hex="+hex.EncodeToString([]byte(seen))) {
					t.Errorf("the log does not hold the bytes: %s", out.String())
				}
				if r := m.resumes[1]; !r.Full || r.Reason != "desync" {
					t.Errorf("the next attempt was %+v", r)
				}
			})
		})
	}
}

func TestDesyncAfterContinue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sampleHistory(false)
		p := fakeprimary.New(func(n int, c *fakeprimary.Conn) {
			switch n {
			case 0:
				_ = serveAndCut(h, c)
			case 1:
				if _, _, err := c.Handshake(nil); err == nil {
					c.MayTalk()
					_ = c.Send("+CONTINUE\r\n3\r\n$3\r\nSET\r\n") // as a server does that was asked for the wrong byte
					for {
						if _, err := c.Read(); err != nil {
							return
						}
					}
				}
			default:
				_ = h.Serve(c)
			}
		})
		m := newMemory(t)
		f := start(t, fakeConfig(t, p), m, p)
		m.until(func() bool { return len(m.gens) == 2 && m.last().end() == h.Offset+int64(len(h.Stream)) })
		f.stop(t)
		m.complete(t, h)
		if len(m.desyncs) != 1 || m.desyncs[0].Offset != h.Offset+int64(len(h.Stream))+1 {
			t.Errorf("desyncs %v", m.desyncs)
		}
	})
}

// TestHeaderOverALimitIsADesync: no server sends such a number, so it is damage, and a full resync heals it.
func TestHeaderOverALimitIsADesync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sampleHistory(false)
		h.Stream = commands("SET a 1", "SET a "+strings.Repeat("x", 100))
		p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { _ = h.Serve(c) })
		cfg := fakeConfig(t, p)
		cfg.Limits = resp.Limits{MaxBulk: 99}
		m := newMemory(t)
		m.plain = true
		r, err := New(cfg, m)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // before the backoff of a second full sync is over
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		p.Close()
		if len(m.desyncs) != 1 || m.desyncs[0].Offset != 1051 || len(m.desyncs[0].Context) == 0 {
			t.Errorf("desyncs %v, want one at 1051 with the bytes around it", m.desyncs)
		}
	})
}

// TestNewHistory: +CONTINUE with a new id reaches the store, once.
func TestNewHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sampleHistory(false)
		more := commands("SELECT 0", "SET z 1")
		p := fakeprimary.New(func(n int, c *fakeprimary.Conn) {
			if n == 0 {
				_ = serveAndCut(h, c)
				return
			}
			if id, from, err := c.Handshake(nil); err != nil || id != replidA && n == 1 {
				t.Errorf("PSYNC %s %s, %v", id, from, err)
				return
			}
			c.MayTalk()
			text := "+CONTINUE " + strings.ToUpper(replidB) + "\r\n"
			if n == 1 {
				text += more
			}
			_ = c.Send(text)
			for i := 0; n > 1 || i < 2; i++ {
				if _, err := c.Read(); err != nil {
					return
				}
			}
		})
		m := newMemory(t)
		f := start(t, fakeConfig(t, p), m, p)
		m.until(func() bool { return len(m.resumes) == 3 })
		synctest.Wait()
		f.stop(t)
		if len(m.changes) != 1 || m.changes[0] != replidB || m.resumes[2].ReplID != replidB || m.last().unitDB != 0 {
			t.Errorf("changes of id %v, resumed %+v", m.changes, m.resumes)
		}
	})
}

// TestStoreErrors: an error of the store ends Run, unless it wraps ErrRetry.
func TestStoreErrors(t *testing.T) {
	broken := errors.New("the disk is gone")
	full := errors.Join(ErrRetry, errors.New("the log is full"))
	for name, breakIt := range map[string]func(m *memory, err error){
		"Resume": func(m *memory, err error) {
			m.onResume = func(context.Context, int) (*Resume, error) { return nil, err }
		},
		"Commit": func(m *memory, err error) { m.onCommit = func(context.Context) error { return err } },
		"Append": func(m *memory, err error) { m.onAppend = func(change.Chunk) error { return err } },
		"AckNow": func(m *memory, err error) { m.onAckNow = func(context.Context) error { return err } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := sampleHistory(false)
				p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { _ = h.Serve(c) })
				m := newMemory(t)
				m.plain = true
				breakIt(m, broken)
				r, err := New(fakeConfig(t, p), m)
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Run(t.Context()); !errors.Is(err, broken) || errors.Is(err, ErrOperator) {
					t.Errorf("Run = %v", err)
				}
				p.Close()
			})
			synctest.Test(t, func(t *testing.T) {
				h := sampleHistory(false)
				p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { _ = h.Serve(c) })
				m := newMemory(t)
				breakIt(m, full)
				f := start(t, fakeConfig(t, p), m, p)
				for f.Status().Failures < 3 {
					time.Sleep(time.Second)
				}
				f.stop(t)
			})
		})
	}
}

// TestInspector: what it returns is what is asked for.
func TestInspector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sampleHistory(false)
		var asked []string
		p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) {
			id, from, _ := c.Handshake(nil)
			asked = append(asked, id+" "+from)
		})
		m := newMemory(t)
		in := &inspector{memory: m, resume: Resume{ReplID: replidB, Offset: 41}}
		r, err := New(fakeConfig(t, p), in)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		p.Close()
		if len(asked) != 1 || asked[0] != replidB+" 42" || in.server.Version != "7.0.15" {
			t.Errorf("asked %q, server %+v", asked, in.server)
		}
		_ = h
	})
}

type inspector struct {
	*memory
	resume Resume
	server ServerInfo
}

func (i *inspector) Inspect(_ context.Context, server ServerInfo, _ Resume) (Resume, error) {
	i.server = server
	return i.resume, nil
}

// replyConn is a connection that gives its bytes in pieces of the given size.
type replyConn struct {
	net.Conn
	data []byte
	step int
}

func (c *replyConn) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data[:min(c.step, len(c.data))])
	c.data = c.data[n:]
	return n, nil
}

func (*replyConn) SetReadDeadline(time.Time) error { return nil }

// FuzzReply: a reply is the same however it is cut, is bounded, and nothing makes the reader panic or allocate by a
// number that it read.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"+OK\r\n", "-ERR x\r\n", ":5\r\n", "$5\r\nhello\r\n", "$-1\r\n", "*-1\r\n", "*2\r\n+a\r\n$1\r\nb\r\n", "*2\r\n*1\r\n:1\r\n:2\r\n",
		"$2147483647\r\n", "*2147483647\r\n", "HTTP/1.1 400\r\n", "\x15\x03\x01\x00\x02\x02\x46", "$3\r\nabcd\r\n", "+", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+x\r\n",
	} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		read := func(step int) (reply, int, error) {
			l := newLink(&replyConn{data: data, step: step}, new(atomic.Int64))
			r, err := readReply(l)
			return r, l.r, err
		}
		a, n, errA := read(len(data) + 1)
		b, _, errB := read(int(step) + 1)
		if (errA == nil) != (errB == nil) || errA == nil && !same(a, b) {
			t.Fatalf("%+v, %v in one piece; %+v, %v in pieces of %d", a, errA, b, errB, step+1)
		}
		if errA == nil && size(a) > n {
			t.Fatalf("%d bytes of reply from %d bytes", size(a), n)
		}
	})
}

func same(a, b reply) bool {
	if a.kind != b.kind || a.text != b.text || a.null != b.null || len(a.items) != len(b.items) {
		return false
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}

func size(r reply) int {
	n := len(r.text)
	for _, it := range r.items {
		n += size(it)
	}
	return n
}

// FuzzAnswer: the lines of PSYNC and of the payload header.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"+FULLRESYNC " + replidA + " 0", "+CONTINUE", "+CONTINUE " + replidA, "$EOF:" + fakeprimary.Mark, "$12", "$-1", "-ERR x",
		"+FULLRESYNC " + replidA + " 99999999999999999999",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if a, err := parseAnswer(line); err == nil {
			if a.full && (!change.IsReplID(a.replid) || a.offset < 0) || !a.full && a.replid != "" && !change.IsReplID(a.replid) {
				t.Fatalf("%q gave %+v", line, a)
			}
		}
		if size, mark, err := parsePayloadHeader(line); err == nil && (size < -1 || (size == -1) != (len(mark) == markSize)) {
			t.Fatalf("%q gave %d, %q", line, size, mark)
		}
		_, _ = classify(stepPSYNC, line, "")
		if s := clean(line, "a"); strings.Contains(s, "a") && !strings.Contains(s, "***") {
			t.Fatalf("%q still holds the password", s)
		}
		new(ServerInfo).parseInfo(line)
	})
}
