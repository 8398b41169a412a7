package testenv

import (
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Linux draws the local ports of outgoing connections from 32768 upwards; below that a port stays free between the
// end of a server and its restart.
const (
	minPort = 10_000
	maxPort = 32_000
)

// FreePort returns a TCP port of 127.0.0.1 that nothing listens on now. Until the test ends no other test is given it,
// of this process or of another one that runs beside it: a server may be stopped and started again at leisure.
func FreePort(tb testing.TB) int {
	tb.Helper()
	for range 200 {
		port := minPort + rand.IntN(maxPort-minPort)
		release, ok := claimPort(tb, port)
		switch {
		case !ok:
		case portIsFree(port):
			tb.Cleanup(release)
			return port
		default:
			release()
		}
	}
	tb.Fatalf("no free TCP port between %d and %d", minPort, maxPort)
	return 0
}

// FreeAddr is [FreePort] as host:port.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	return loopback(FreePort(tb))
}

// onFreePort starts what listens on a free port, and starts it again on another one when somebody who does not ask
// [FreePort] took that one in between; start says so with the text of the system.
func onFreePort(tb testing.TB, start func(port int) error) {
	tb.Helper()
	for attempt := 1; ; attempt++ {
		err := start(FreePort(tb))
		if err == nil {
			return
		}
		if attempt == 5 || !strings.Contains(strings.ToLower(err.Error()), syscall.EADDRINUSE.Error()) {
			tb.Fatalf("starting a server: %v", err)
		}
	}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func portIsFree(port int) bool {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return false
	}
	return l.Close() == nil
}
