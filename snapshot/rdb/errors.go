package rdb

import (
	"errors"
	"fmt"
)

// FormatError says that the input is not a whole, intact RDB file.
type FormatError struct {
	Offset int64  // of the byte in the file at which it was noticed; inside a packed value, of that value
	What   string // what is wrong, in words
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("damaged RDB at byte %d: %s", e.Offset, e.What)
}

// UnsupportedError says that the input uses something that this package does not read.
type UnsupportedError struct {
	Offset int64
	What   string // what was found
	Need   string // what would read it, or how the source can avoid it
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("unsupported RDB content at byte %d: %s: %s", e.Offset, e.What, e.Need)
}

// errTruncated is what a reader's end means inside a file; the decoder gives it its offset.
var errTruncated = errors.New("the input ends too early")

// corrupt is a defect noticed below the decoder, where the offset is not known; [Decoder.locate] gives it one.
type corrupt string

func (c corrupt) Error() string { return string(c) }
