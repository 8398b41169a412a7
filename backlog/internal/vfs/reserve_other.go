//go:build !linux

package vfs

import (
	"errors"
	"os"
)

// reserve does nothing: only Linux allocates blocks behind the end of a file.
func reserve(*os.File, int64, int64) error { return errors.ErrUnsupported }
