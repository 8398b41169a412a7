package testenv

import (
	"net"
	"strconv"
	"syscall"
	"time"
)

// endTimeout bounds how long a server may take to end by itself.
const endTimeout = 30 * time.Second

// PID is the process id of the running server, or of the last one.
func (in *Instance) PID() int { return in.p.cmd.Process.Pid }

// Stop ends the server with SHUTDOWN NOSAVE and waits for it; Stop("SAVE") writes an RDB file first.
func (in *Instance) Stop(how ...string) {
	in.t.Helper()
	args := []any{"SHUTDOWN", "NOSAVE"}
	if len(how) > 0 {
		args = args[:1]
		for _, h := range how {
			args = append(args, h)
		}
	}
	// The reply is the end of the connection; that the process ends is what counts.
	err := in.Client().Do(lasting(in.t), args...).Err()
	if !in.p.wait(endTimeout) {
		in.t.Fatalf("server on port %d still runs %v after SHUTDOWN (%v)", in.Port, endTimeout, err)
	}
}

// Kill ends the server with SIGKILL.
func (in *Instance) Kill() { in.p.end() }

// Pause stops the process with SIGSTOP: its connections stay open and say nothing.
func (in *Instance) Pause() { in.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (in *Instance) Resume() { in.signal(syscall.SIGCONT) }

// Signal sends any other signal.
func (in *Instance) Signal(s syscall.Signal) { in.signal(s) }

func (in *Instance) signal(s syscall.Signal) {
	in.t.Helper()
	if err := in.p.signal(s); err != nil {
		in.t.Fatalf("sending %v to the server on port %d: %v", s, in.Port, err)
	}
}

// Restart starts the server again on the same port in the same directory; it is killed first when it still runs.
func (in *Instance) Restart() {
	in.t.Helper()
	in.p.end()
	if err := in.start(); err != nil {
		in.t.Fatalf("restarting %s: %v", in.binary.name, err)
	}
}

// ReplicaOf makes the server a replica of primary and waits until the link is up.
func (in *Instance) ReplicaOf(primary *Instance) {
	in.t.Helper()
	if o := primary.Client().Options(); o.Password != "" {
		in.do("CONFIG", "SET", "masterauth", o.Password)
		if o.Username != "" {
			in.do("CONFIG", "SET", "masteruser", o.Username)
		}
	}
	in.do("REPLICAOF", "127.0.0.1", strconv.Itoa(primary.Port))
	Eventually(in.t, startTimeout, "the link of the replica is up", func() bool {
		return in.Info("replication")["master_link_status"] == "up"
	})
}

// ReplicaOfAddr is ReplicaOf for an address, a proxy's for example; it does not wait for the link.
func (in *Instance) ReplicaOfAddr(addr string) {
	in.t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		in.t.Fatalf("ReplicaOfAddr: %v", err)
	}
	in.do("REPLICAOF", host, port)
}

// Promote makes the server a master with REPLICAOF NO ONE.
func (in *Instance) Promote() {
	in.t.Helper()
	in.do("REPLICAOF", "NO", "ONE")
}

// AwaitOffset waits until the server's replication offset has reached that of primary.
func (in *Instance) AwaitOffset(primary *Instance) {
	in.t.Helper()
	want := primary.Offset()
	Eventually(in.t, startTimeout, "the replica has caught up", func() bool { return in.Offset() >= want })
}

func (in *Instance) do(args ...any) {
	in.t.Helper()
	if err := in.Client().Do(lasting(in.t), args...).Err(); err != nil {
		in.t.Fatalf("%v on port %d: %v", args, in.Port, err)
	}
}
