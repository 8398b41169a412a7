package config

import (
	"fmt"
	"strings"
)

// Error is every problem of a configuration. The process ends with exit code 2.
type Error struct {
	Problems []string // each begins with the name of a setting
}

func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return "configuration: " + e.Problems[0]
	}
	return fmt.Sprintf("configuration: %d problems\n  %s", len(e.Problems), strings.Join(e.Problems, "\n  "))
}
