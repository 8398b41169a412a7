package config

import (
	"errors"
	"strconv"
	"strings"
)

// List is strings with commas between them.
type List []string

func (l List) String() string { return strings.Join(l, ",") }

// UnmarshalText reads the list. Spaces around an entry do not belong to it; an empty entry is an error.
func (l *List) UnmarshalText(text []byte) error {
	*l = nil
	for entry := range strings.SplitSeq(string(text), ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			return errors.New("has an empty entry between its commas")
		}
		*l = append(*l, entry)
	}
	return nil
}

// Ints is numbers of databases with commas between them.
type Ints []int

func (l Ints) String() string {
	texts := make([]string, len(l))
	for i, n := range l {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}

// UnmarshalText reads the list.
func (l *Ints) UnmarshalText(text []byte) error {
	*l = nil
	for entry := range strings.SplitSeq(string(text), ",") {
		n, err := strconv.ParseUint(strings.TrimSpace(entry), 10, 31)
		if err != nil {
			return errors.New("must be numbers with commas between them, such as 0,1")
		}
		*l = append(*l, int(n))
	}
	return nil
}
