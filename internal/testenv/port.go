package testenv

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Linux draws the local ports of outgoing connections from 32768 upwards; below that a port stays free between the
// end of a server and its restart.
const (
	minPort = 10_000
	maxPort = 32_000
)

// FreePort returns a TCP port of 127.0.0.1 that nothing listens on now.
func FreePort(tb testing.TB) int {
	tb.Helper()
	for range 200 {
		port := minPort + rand.IntN(maxPort-minPort)
		if portIsFree(port) {
			return port
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

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func portIsFree(port int) bool {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return false
	}
	return l.Close() == nil
}
