package snapshot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Names of the files of a spool.
const (
	rdbFile     = "spool.rdb"
	metaFile    = "spool.json"
	metaNewFile = "spool.json.tmp"
)

// maxMeta bounds spool.json, in bytes.
const maxMeta = 64 << 10

// Config bounds a spool.
type Config struct {
	// MaxBytes is the largest RDB taken, in bytes; 0 = no limit, except in memory, where it is required.
	MaxBytes int64

	// Reserve, when set, is called before so many bytes are written to a file; its error is that of the write. It is a seam
	// for tests of a full disk.
	Reserve func(n int) error

	at place // of tests; nil = the directory that is named
}

// reserve asks for room for n bytes.
func (c Config) reserve(n int) error {
	if c.Reserve == nil {
		return nil
	}
	return c.Reserve(n)
}

// place is where the spool named dir lives: memory when dir is empty.
func (c Config) place(dir string) place {
	switch {
	case c.at != nil:
		return c.at
	case dir == "":
		return &memory{}
	default:
		return disk(dir)
	}
}

// Spool is a complete, verified snapshot. Its methods may be called by any goroutine; several Readers may read it.
type Spool struct {
	at   place
	meta Meta
}

// Open finds the spool that Commit left in dir. It returns an error that wraps [ErrNoSpool], [ErrIncomplete] or
// [ErrFormat] when there is none that can be used.
func Open(dir string, cfg Config) (*Spool, error) {
	at := cfg.place(dir)
	raw, err := readMeta(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, absent(at)
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeMeta(raw)
	if err != nil {
		return nil, fmt.Errorf("opening spool: %w", err)
	}
	f, err := at.open(rdbFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening spool: %w: %s is missing", ErrIncomplete, rdbFile)
	}
	if err != nil {
		return nil, fmt.Errorf("opening spool: %w", err)
	}
	defer func() { _ = f.Close() }()
	// One byte before the end must be there and none behind it: a copy that was cut is noticed at once.
	var b [2]byte
	if n, _ := f.ReadAt(b[:], m.Size-1); n != 1 {
		return nil, fmt.Errorf("opening spool: %w: %s does not have the %d bytes that %s says",
			ErrIncomplete, rdbFile, m.Size, metaFile)
	}
	return &Spool{at: at, meta: m}, nil
}

// absent tells a spool that was never begun from one that was never completed.
func absent(at place) error {
	f, err := at.open(rdbFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("opening spool: %w", ErrNoSpool)
	}
	if err != nil {
		return fmt.Errorf("opening spool: %w", err)
	}
	_ = f.Close()
	return fmt.Errorf("opening spool: %w", ErrIncomplete)
}

func readMeta(at place) (raw []byte, err error) {
	f, err := at.open(metaFile)
	if err != nil {
		return nil, fmt.Errorf("opening spool metadata: %w", err)
	}
	defer func() { _ = f.Close() }()
	raw, err = io.ReadAll(io.NewSectionReader(f, 0, maxMeta))
	if err != nil {
		return nil, fmt.Errorf("reading spool metadata: %w", err)
	}
	return raw, nil
}

// Meta describes the spool.
func (s *Spool) Meta() Meta { return s.meta }

// Remove deletes the spool. Readers that have it open go on. It is idempotent.
func (s *Spool) Remove() error { return removeFiles(s.at) }

// Clear removes what a crash may have left of a spool in dir, which nobody reads or writes.
func Clear(dir string) error { return removeFiles(disk(dir)) }

// removeFiles removes the metadata first: what a crash leaves is an incomplete spool, not a damaged one.
func removeFiles(at place) error {
	for _, name := range []string{metaFile, metaNewFile, rdbFile} {
		if err := at.remove(name); err != nil {
			return fmt.Errorf("removing spool: %w", err)
		}
	}
	if err := at.sync(); err != nil {
		return fmt.Errorf("removing spool: %w", err)
	}
	return nil
}
