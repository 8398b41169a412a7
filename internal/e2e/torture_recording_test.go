//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// recording is a raw replication stream with its offsets. A failover may take its end back: what was cut off stays as a
// branch, since keyfeed may have published it before.
type recording struct {
	file *os.File

	mu       sync.Mutex // guards what follows
	end      int64      // bytes in the file
	trunk    []extent
	branches []branch
}

// extent is a run of stream bytes: those behind offset from stand in the file at at.
type extent struct{ from, n, at int64 }

// branch is an end of the stream that no server has any more.
type branch struct {
	fork int64 // the offset behind which the trunk went on with other bytes
	tail []extent
}

// begin says that the stream starts behind an offset.
func (r *recording) begin(from int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trunk = []extent{{from: from}}
}

func (r *recording) tail() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.trunk) == 0 {
		return 0
	}
	last := r.trunk[len(r.trunk)-1]
	return last.from + last.n
}

func (r *recording) append(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.file.Write(b)
	r.end += int64(n)
	r.trunk[len(r.trunk)-1].n += int64(n)
	return err
}

// cut makes what stands behind an offset a branch.
func (r *recording) cut(fork int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := branch{fork: fork}
	for i, e := range r.trunk {
		keep := max(0, min(e.n, fork-e.from))
		if keep == e.n {
			continue
		}
		b.tail = append(b.tail, extent{from: e.from + keep, n: e.n - keep, at: e.at + keep})
		r.trunk[i].n = keep
	}
	r.branches = append(r.branches, b)
	r.trunk = slices.DeleteFunc(r.trunk, func(e extent) bool { return e.n == 0 })
	r.trunk = append(r.trunk, extent{from: fork, at: r.end})
}

// paths are the streams that a generation begun at an offset may have followed: the trunk, and the trunk up to each later
// fork with the branch behind it.
func (r *recording) paths(begun int64) [][]extent {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := [][]extent{slices.Clone(r.trunk)}
	for _, b := range r.branches {
		if b.fork < begun {
			continue
		}
		var path []extent
		for _, e := range r.trunk {
			if n := min(e.n, b.fork-e.from); n > 0 {
				path = append(path, extent{e.from, n, e.at})
			}
		}
		out = append(out, append(path, b.tail...))
	}
	return out
}

// unit is a command outside a transaction, or all commands of one.
type unit struct {
	multi int64 // offset of MULTI's end, 0 outside a transaction
	cmds  []command
}

// command is a command of the stream.
type command struct {
	end  int64 // offset of its last byte
	db   int   // selected
	argv [][]byte
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// walk reads a path unit by unit. A transaction whose end is not recorded is not given out.
func (r *recording) walk(path []extent, f func(unit) error) error {
	var parts []io.Reader
	for _, e := range path {
		parts = append(parts, io.NewSectionReader(r.file, e.at, e.n))
	}
	in := bufio.NewReaderSize(io.MultiReader(parts...), 1<<20)
	offset, db := path[0].from, 0
	var open *unit
	for {
		argv, n, err := readCommand(in)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the recording behind offset %d: %w", offset, err)
		}
		offset += n
		switch strings.ToUpper(string(argv[0])) {
		case "PING", "REPLCONF", "PUBLISH":
			continue
		case "SELECT":
			if db, err = strconv.Atoi(string(argv[1])); err != nil {
				return err
			}
			continue
		case "MULTI":
			open = &unit{multi: offset}
			continue
		case "EXEC":
			err, open = f(*open), nil
		default:
			cmd := command{end: offset, db: db, argv: argv}
			if open != nil {
				open.cmds = append(open.cmds, cmd)
				continue
			}
			err = f(unit{cmds: []command{cmd}})
		}
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readCommand reads an array of bulk strings and returns how many bytes it was.
func readCommand(in *bufio.Reader) (argv [][]byte, size int64, err error) {
	count, n, err := readCount(in, '*')
	if err != nil {
		return nil, 0, err
	}
	size = n
	for range count {
		length, n, err := readCount(in, '$')
		if err != nil {
			return nil, 0, err
		}
		arg := make([]byte, length+2)
		if _, err := io.ReadFull(in, arg); err != nil {
			return nil, 0, err
		}
		size += n + int64(length) + 2
		argv = append(argv, arg[:length])
	}
	return argv, size, nil
}

func readCount(in *bufio.Reader, kind byte) (count int, size int64, err error) {
	text, err := in.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	count, err = strconv.Atoi(string(bytes.TrimRight(text[1:], "\r\n")))
	if err != nil || text[0] != kind {
		return 0, 0, fmt.Errorf("%.60q instead of a %c", text, kind)
	}
	return count, int64(len(text)), nil
}
