//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder attaches to a master as a replica and writes down the raw stream beside keyfeed. It shares no code with it.
// It follows the master through failovers by partial resync; a full one, but for the first, fails the test.
type recorder struct {
	t   *testing.T
	rec *recording

	mu     sync.Mutex // guards what follows
	addr   string     // of the master
	conn   net.Conn
	replid string
	err    error // why it has given up
}

// startRecorder attaches to the server and returns when the stream is being recorded.
func startRecorder(t *testing.T, addr string) *recorder {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "recording"))
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{t: t, addr: addr, rec: &recording{file: file}}
	ctx, cancel := context.WithCancel(context.Background())
	attached, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		r.run(ctx, attached)
	}()
	t.Cleanup(func() { cancel(); r.follow(""); <-done; file.Close() })
	select {
	case <-attached:
	case <-done:
		r.check()
	case <-time.After(patience):
		t.Fatalf("the recorder could not attach within %v", patience)
	}
	return r
}

// follow makes the recorder go on at another server.
func (r *recorder) follow(addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addr = addr
	if r.conn != nil {
		r.conn.Close()
	}
}

// offset is the last byte of the stream that is recorded.
func (r *recorder) offset() int64 { return r.rec.tail() }

// check fails the test when the recorder has given up.
func (r *recorder) check() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		r.t.Fatalf("recorder: %v", r.err)
	}
}

// errGivesUp is wrapped by errors after which the recording could have a hole.
var errGivesUp = errors.New("the recording cannot go on")

var errMoved = errors.New("the master is elsewhere")

func (r *recorder) run(ctx context.Context, attached chan<- struct{}) {
	for first := true; ctx.Err() == nil; {
		err := r.session(ctx, func() {
			if first {
				close(attached)
				first = false
			}
		})
		if errors.Is(err, errGivesUp) && ctx.Err() == nil {
			r.mu.Lock()
			r.err = err
			r.mu.Unlock()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// session is one connection: it records until an error.
func (r *recorder) session(ctx context.Context, streaming func()) error {
	r.mu.Lock()
	addr := r.addr
	r.mu.Unlock()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	r.mu.Lock()
	r.conn = conn
	moved := r.addr != addr // while dialing: follow had no connection to close
	r.mu.Unlock()
	if moved {
		return errMoved
	}
	in := bufio.NewReaderSize(conn, 256<<10)
	if err := r.attach(conn, in); err != nil {
		return err
	}
	streaming()
	return r.stream(conn, in)
}

// attach asks for the stream behind what is recorded, or for everything when nothing is.
func (r *recorder) attach(conn net.Conn, in *bufio.Reader) error {
	ask := "PSYNC ? -1\r\n"
	if r.replid != "" {
		if err := r.cutToSharedHistory(conn, in); err != nil {
			return err
		}
		ask = fmt.Sprintf("PSYNC %s %d\r\n", r.replid, r.rec.tail()+1)
	}
	// keyfeed announces no port, which tells it from the recorder.
	if reply, err := request(conn, in, "REPLCONF listening-port 1\r\n"); err != nil || reply != "+OK" {
		return fmt.Errorf("REPLCONF: %q, %w", reply, err)
	}
	// Without the capability eof the snapshot comes with its length.
	if reply, err := request(conn, in, "REPLCONF capa psync2\r\n"); err != nil || reply != "+OK" {
		return fmt.Errorf("REPLCONF: %q, %w", reply, err)
	}
	reply, err := request(conn, in, ask)
	if err != nil {
		return err
	}
	words := strings.Fields(reply)
	switch {
	case len(words) == 2 && words[0] == "+CONTINUE":
		r.replid = words[1]
		return nil
	case len(words) == 3 && words[0] == "+FULLRESYNC" && r.replid == "":
		return r.begin(in, words[1], words[2])
	case words[0] == "+FULLRESYNC":
		return fmt.Errorf("%w: %q to %q", errGivesUp, reply, ask)
	}
	return fmt.Errorf("PSYNC: %q", reply)
}

// begin skips the snapshot: the recording starts behind it.
func (r *recorder) begin(in *bufio.Reader, replid, offset string) error {
	from, err := strconv.ParseInt(offset, 10, 64)
	if err != nil {
		return err
	}
	header, err := line(in)
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(strings.TrimPrefix(header, "$"), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: a snapshot that begins %q", errGivesUp, header)
	}
	if _, err := io.CopyN(io.Discard, in, size); err != nil {
		return err
	}
	r.replid = replid
	r.rec.begin(from)
	return nil
}

// cutToSharedHistory takes back what the server, promoted meanwhile, never had: it went on from an earlier offset.
func (r *recorder) cutToSharedHistory(conn net.Conn, in *bufio.Reader) error {
	if _, err := io.WriteString(conn, "INFO replication\r\n"); err != nil {
		return err
	}
	header, err := line(in)
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(strings.TrimPrefix(header, "$"))
	if err != nil {
		return fmt.Errorf("INFO: %q", header)
	}
	text := make([]byte, size+2)
	if _, err := io.ReadFull(in, text); err != nil {
		return err
	}
	info := map[string]string{}
	for l := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(l), ":"); ok {
			info[k] = v
		}
	}
	if info["master_replid2"] != r.replid {
		return nil
	}
	second, err := strconv.ParseInt(info["second_repl_offset"], 10, 64)
	if err != nil {
		return err
	}
	if r.rec.tail() >= second {
		r.rec.cut(second - 1)
	}
	return nil
}

// stream records what comes and acknowledges it every second.
func (r *recorder) stream(conn net.Conn, in *bufio.Reader) error {
	buf := make([]byte, 256<<10)
	var acked time.Time
	for {
		if time.Since(acked) >= time.Second {
			ack := strconv.FormatInt(r.rec.tail(), 10)
			if _, err := fmt.Fprintf(conn, "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$%d\r\n%s\r\n", len(ack), ack); err != nil {
				return err
			}
			acked = time.Now()
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		n, err := in.Read(buf)
		if werr := r.rec.append(buf[:n]); werr != nil {
			return fmt.Errorf("%w: %w", errGivesUp, werr)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// request sends a line and returns the line that answers it.
func request(w io.Writer, in *bufio.Reader, text string) (string, error) {
	if _, err := io.WriteString(w, text); err != nil {
		return "", err
	}
	return line(in)
}

// line is the next line that is not empty: servers send empty ones while they prepare a snapshot.
func line(in *bufio.Reader) (string, error) {
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if text = strings.TrimRight(text, "\r\n"); text != "" {
			return text, nil
		}
	}
}
