package testenv_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"keyfeed/internal/testenv"
)

// echo is a server that sends back what it receives.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestProxyPassesAndCounts(t *testing.T) {
	p := testenv.Proxy(t, echo(t))
	c := dial(t, p.Addr())
	want := bytes.Repeat([]byte("0123456789"), 50_000)
	go func() { _, _ = c.Write(want); _ = c.(*net.TCPConn).CloseWrite() }()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
	if p.Bytes(testenv.Up) != int64(len(want)) || p.Bytes(testenv.Down) != int64(len(want)) || p.Connections() != 1 {
		t.Errorf("counted %d up, %d down, %d connections", p.Bytes(testenv.Up), p.Bytes(testenv.Down), p.Connections())
	}
}

func TestProxyCutsAtTheByte(t *testing.T) {
	for _, n := range []int64{0, 1, 999, 100_000} {
		for _, how := range []testenv.Cut{testenv.FIN, testenv.RST} {
			if n == 0 && how == testenv.RST {
				continue // the dial itself may fail then
			}
			p := testenv.Proxy(t, echo(t))
			p.CutAfter(testenv.Down, n, how)
			c := dial(t, p.Addr())
			go func() { _, _ = c.Write(make([]byte, 200_000)) }()
			got, err := io.ReadAll(c)
			if p.Bytes(testenv.Down) != n || how == testenv.FIN && int64(len(got)) != n || int64(len(got)) > n {
				t.Errorf("cut %v after %d: received %d bytes, %v; proxy counted %d", how, n, len(got), err, p.Bytes(testenv.Down))
			}
			if how == testenv.RST && err == nil {
				t.Errorf("cut RST after %d: an orderly end", n)
			}
			// A cut is used once.
			c2 := dial(t, p.Addr())
			if _, err := c2.Write([]byte("again")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c2, make([]byte, 5)); err != nil {
				t.Errorf("second connection: %v", err)
			}
		}
	}
}

func TestProxyHalfOpen(t *testing.T) {
	p := testenv.Proxy(t, echo(t))
	c := dial(t, p.Addr())
	_, _ = c.Write([]byte("x"))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.CloseAll(testenv.HalfOpen)
	for range 100 {
		if _, err := c.Write(make([]byte, 10_000)); err != nil {
			t.Fatalf("writing into a half-open connection: %v", err)
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading from a half-open connection gives %v", err)
	}
}

func TestProxyStallAndResume(t *testing.T) {
	p := testenv.Proxy(t, echo(t))
	c := dial(t, p.Addr())
	p.Stall()
	_, _ = c.Write([]byte("hello"))
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 5)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a stalled proxy passed %d bytes on, %v", n, err)
	}
	p.Resume()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Errorf("after Resume: %v", err)
	}
}

func TestProxyRefuseAndRetarget(t *testing.T) {
	p := testenv.Proxy(t, testenv.FreeAddr(t))
	p.Down(testenv.RST)
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialing gives %v", err)
	}
	p.Retarget(echo(t))
	p.Accept()
	c := dial(t, p.Addr())
	_, _ = c.Write([]byte("x"))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

func TestProxyStallsAtTheByte(t *testing.T) {
	p := testenv.Proxy(t, echo(t))
	p.StallAfter(testenv.Down, 70_000)
	c := dial(t, p.Addr())
	go func() { _, _ = c.Write(make([]byte, 200_000)) }()
	if _, err := io.ReadFull(c, make([]byte, 70_000)); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes more, %v", n, err)
	}
	p.Resume()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(c, make([]byte, 130_000)); err != nil {
		t.Error(err)
	}
}

// Who is slow to read still receives all that went before an orderly end, although what it sends is never read: a socket
// that is closed with something unread in it resets the connection.
func TestProxyFINLosesNothing(t *testing.T) {
	const n = 300_000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	over := make(chan struct{})
	defer close(over)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Write(make([]byte, 2*n))
		<-over
	}()
	p := testenv.Proxy(t, l.Addr().String())
	p.Stall()
	p.CutAfter(testenv.Down, n, testenv.FIN)
	c := dial(t, p.Addr())
	_, _ = c.Write(make([]byte, n))
	go func() { _, _ = c.Write(make([]byte, 100*n)) }()
	p.Resume()
	testenv.Eventually(t, 20*time.Second, "the cut", func() bool { return p.Armed() == 0 })
	if got, err := io.ReadAll(c); err != nil || len(got) != n {
		t.Errorf("received %d bytes of %d, %v", len(got), n, err)
	}
}

// A connection that comes just before Down, and whose way to the target is still being made, must not live on behind it.
func TestProxyDownLetsNobodyThrough(t *testing.T) {
	p := testenv.Proxy(t, echo(t))
	for range 500 {
		came := make(chan net.Conn, 1)
		go func() {
			c, err := net.Dial("tcp", p.Addr())
			if err != nil {
				c = nil // it was reset before Dial had returned
			}
			came <- c
		}()
		for before := p.Connections(); before == p.Connections() && len(came) == 0; {
			runtime.Gosched()
		}
		p.Down(testenv.RST)
		if c := <-came; c != nil {
			_, _ = c.Write([]byte("x"))
			if _, err := io.ReadFull(c, make([]byte, 1)); err == nil {
				t.Fatal("a connection lives that was made before Down")
			}
			c.Close()
		}
		p.Accept()
	}
}
