package testenv

import (
	"bufio"
	"net"
	"testing"
)

func TestAPortIsClaimedOnce(t *testing.T) {
	var port int
	t.Run("while a test has it", func(t *testing.T) {
		port = FreePort(t)
		if _, ok := claimPort(t, port); ok {
			t.Errorf("port %d was given away", port)
		}
	})
	release, ok := claimPort(t, port)
	if !ok {
		t.Fatalf("nobody gets port %d after that", port)
	}
	release()
}

// Somebody takes the port between the question and the start, and answers as a server would.
func TestPortTakenInBetween(t *testing.T) {
	squat := func(port int) {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
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
				_, _ = bufio.NewReader(c).ReadString('\n')
				_, _ = c.Write([]byte("+PONG\r\n"))
				_ = c.Close()
			}
		}()
		t.Cleanup(func() { _ = l.Close(); <-done })
	}
	redis, nats := Redis(t), NATSServer(t)
	for name, start := range map[string]func(port int) error{
		"redis": func(port int) error {
			redis.p.end()
			redis.Port = port
			return redis.start()
		},
		"nats": func(port int) error {
			nats.Kill()
			nats.addr = loopback(port)
			return nats.start()
		},
		"proxy": func(port int) error {
			p := &TCPProxy{t: t, addr: loopback(port)}
			defer p.Refuse()
			return p.accept()
		},
	} {
		var ports []int
		onFreePort(t, func(port int) error {
			if ports = append(ports, port); len(ports) == 1 {
				squat(port)
			}
			return start(port)
		})
		if len(ports) != 2 {
			t.Errorf("%s was started on the ports %v, want two", name, ports)
		}
	}
}
