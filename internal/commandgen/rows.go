package commandgen

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Rows reads the names of the commands in commands.tsv, in its order: "SET", "XGROUP CREATE". The rows that stand for
// many commands ("*", "<module>.*") are left out.
func Rows(table io.Reader) ([]string, error) {
	var names []string
	lines := bufio.NewScanner(table)
	for first := true; lines.Scan(); first = false {
		name, _, tabs := strings.Cut(lines.Text(), "\t")
		switch {
		case !tabs, first != (name == "command"):
			return nil, fmt.Errorf("reading the command table: %.40q is no row of it", lines.Text())
		case first, strings.HasSuffix(name, "*"):
		default:
			names = append(names, name)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the command table: %w", err)
	}
	return names, nil
}
