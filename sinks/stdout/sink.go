package stdout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"keyfeed/internal/change"
	"keyfeed/sinks"
	"keyfeed/sinks/internal/local"
)

// Config says where to print. Zero values take the defaults named.
type Config struct {
	Writer       io.Writer     // required; os.Stdout
	PositionFile string        // in the data directory; "" keeps the position in memory: the next start prints all again
	MaxRecords   int           // printed or queued before their position is stored; 65536
	MaxBytes     int           // of these; 16 MiB
	Interval     time.Duration // at which positions are stored; 100ms
}

// Sink prints events. It implements [sinks.Sink] and [sinks.Describer].
type Sink struct {
	*local.Sink

	positionFile string
}

var (
	_ sinks.Sink      = (*Sink)(nil)
	_ sinks.Describer = (*Sink)(nil)
)

// New returns a sink that is not open. It does not close the writer.
func New(cfg Config) *Sink {
	return &Sink{
		positionFile: cfg.PositionFile,
		Sink: local.New(local.Config{
			Name:             "stdout",
			Path:             cfg.PositionFile,
			MaxRecords:       cfg.MaxRecords,
			MaxBytes:         cfg.MaxBytes,
			Interval:         cfg.Interval,
			Append:           appendLines,
			Write:            func(p []byte) error { return write(cfg.Writer, p) },
			Sync:             func() error { return syncFile(cfg.Writer) },
			SetWriteDeadline: func(at time.Time) { setWriteDeadline(cfg.Writer, at) },
			Restarted:        []byte("\n"),
		}),
	}
}

// Describe returns one line for people.
func (s *Sink) Describe(context.Context) (string, error) {
	if s.positionFile == "" {
		return "stdout, position in memory: " + s.Confirmed().String(), nil
	}
	return fmt.Sprintf("stdout, position in %s: %v", s.positionFile, s.Confirmed()), nil
}

func appendLines(dst []byte, records []change.Record) []byte {
	for i := range records {
		dst = append(dst, records[i].Value...)
		dst = append(dst, '\n')
	}
	return dst
}

// write prints p. A pipe that lost its reader has none again, however often one tries; the process must have SIGPIPE
// ignored to see that.
func write(w io.Writer, p []byte) error {
	_, err := w.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("%w: nobody reads the output any more: %w", sinks.ErrConfig, err)
	}
	return err
}

// syncFile makes a regular file durable. Pipes, sockets and terminals have nothing to sync.
func syncFile(w io.Writer) error {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	return f.Sync()
}

// setWriteDeadline ends a write that waits for a reader, where the writer knows deadlines; a standard output that is a
// plain blocking file does not, and then Close reports the write that hangs.
func setWriteDeadline(w io.Writer, at time.Time) {
	if f, ok := w.(interface{ SetWriteDeadline(at time.Time) error }); ok {
		_ = f.SetWriteDeadline(at)
	}
}
