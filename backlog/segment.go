package backlog

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"keyfeed/backlog/internal/vfs"
)

// segment is one file of a log. head and path never change; the other fields are guarded by Log.mu.
type segment struct {
	head header
	path string

	size        int64     // bytes in the file, header included, seal excluded
	visible     int64     // place in the file up to which cursors may read: the end of the last whole unit
	syncedSize  int64     // size up to which the content is durable
	end         int64     // stream offset after the last frame
	sealed      bool      // a seal follows size
	file        vfs.File  // for writing; nil when sealed
	publishedAt time.Time // when all of it was known to be published; zero = it is not
	removed     bool      // trimmed or cut off
}

// diskSize is the length of the file in bytes.
func (s *segment) diskSize() int64 {
	if s.sealed {
		return s.size + sealSize
	}
	return s.size
}

// empty reports whether the segment holds no stream bytes.
func (s *segment) empty() bool { return s.end == s.head.start }

// createSegment makes a segment file with its header. Nothing of it is durable yet. After an error the file is gone.
func createSegment(fs FS, dir string, h header) (*segment, error) {
	s := &segment{head: h, path: filepath.Join(dir, segmentName(h.start)), size: headerSize, visible: headerSize, end: h.start}
	f, err := fs.Create(s.path)
	if err != nil {
		return nil, fmt.Errorf("creating segment: %w", err)
	}
	if _, err := f.WriteAt(appendHeader(make([]byte, 0, headerSize), h), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("writing segment header: %w", err), f.Close(), fs.Remove(s.path))
	}
	s.file = f
	return s, nil
}

// readHeader reads the header of a segment file and holds it against the file's name. size is the length of the file.
func readHeader(src io.ReaderAt, size int64, name string) (header, error) {
	buf := make([]byte, min(size, headerSize))
	if _, err := src.ReadAt(buf, 0); err != nil && !errors.Is(err, io.EOF) {
		return header{}, fmt.Errorf("reading segment header: %w", err)
	}
	h, err := parseHeader(buf)
	switch {
	case errors.Is(err, ErrVersion):
		return header{}, err
	case err != nil:
		return header{}, damage{err}
	}
	if start, ok := parseSegmentName(name); !ok || start != h.start {
		return header{}, damage{errHeaderName}
	}
	return h, nil
}

// readSeal reads the seal at the end of a segment file, if there is one. A seal names the state of the stream at the
// segment's end, so that opening a log need not read sealed segments whole.
func readSeal(src io.ReaderAt, size int64, h header) (seal frame, ok bool, err error) {
	if size < headerSize+sealSize {
		return frame{}, false, nil
	}
	r := frames{src: src, limit: size, buf: make([]byte, 0, sealSize)}
	if ok, err := frameAt(&r, size-sealSize); err != nil || !ok {
		return frame{}, false, err
	}
	fh, err := parseFrameHeader(r.buf)
	if err != nil || fh.kind != kindSeal || fh.start <= h.start || fh.start-h.start > size {
		return frame{}, false, nil //nolint:nilerr // no seal is an answer here, not a failure
	}
	return frame{frameHeader: fh, at: size - sealSize, payload: r.buf[frameHeaderSize:]}, true, nil
}
