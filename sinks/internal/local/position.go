package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// maxPositionFile bounds what is read of a position file; a position takes about 120 bytes.
const maxPositionFile = 4096

// loadPosition reads the position file. exists is false when there is none.
func loadPosition(path string) (pos change.Position, exists bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return change.Position{}, false, nil
	}
	if err != nil {
		return change.Position{}, false, fmt.Errorf("reading position: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPositionFile))
	if err != nil {
		return change.Position{}, false, fmt.Errorf("reading position: %w", err)
	}
	line, isWhole := strings.CutSuffix(string(text), "\n")
	if !isWhole {
		return change.Position{}, true, fmt.Errorf("%w: %s is not a position file; "+
			"remove it to publish everything from the start", sinks.ErrConfig, path)
	}
	pos, err = parseLine(line)
	if err != nil {
		return change.Position{}, true, fmt.Errorf("%w: %s: %w; remove it to publish everything from the start",
			sinks.ErrConfig, path, err)
	}
	return pos, true, nil
}

// parseLine reads the line of a position file, without its newline.
func parseLine(line string) (change.Position, error) {
	text, settings, _ := strings.Cut(line, " ")
	pos, err := change.ParsePosition(text)
	if err != nil {
		return change.Position{}, err
	}
	pos.Settings = settings
	return pos, nil
}

// storePosition replaces the position file; when it returns nil, the new one survives a power cut.
func storePosition(path string, pos change.Position) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("storing position: %w", err)
		}
	}()
	temporary := path + ".tmp"
	line := pos.String()
	if pos.InUnit() && pos.Settings != "" {
		line += " " + pos.Settings
	}
	if err := writeDurably(temporary, line+"\n"); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writeDurably(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
