package command

import "strings"

const (
	// maxNames bounds how many names are remembered; further ones are made anew each time.
	maxNames = 256
	// maxShown is the longest name shown, in bytes; the rest of a longer one is cut off.
	maxShown = 128
)

// interned keeps the strings of names that are not in the table, so that a stream full of one module's commands
// allocates each name once. Its size is bounded, since names come from the network (invariant 6).
type interned struct {
	known   map[string]string // as it came → as it is shown
	scratch []byte
}

// get gives the string of a name as it is.
func (t *interned) get(name []byte) string {
	if s, ok := t.known[string(name)]; ok {
		return s
	}
	return t.add(name, string(name))
}

// upper gives a name in upper case.
func (t *interned) upper(name []byte) string {
	if s, ok := t.known[string(name)]; ok {
		return s
	}
	shown := name[:min(len(name), maxShown)]
	return t.add(name, upperASCII(shown))
}

// pair gives both words of a container command in upper case.
func (t *interned) pair(name, sub []byte) string {
	t.scratch = append(append(append(t.scratch[:0], name...), ' '), sub[:min(len(sub), maxShown)]...)
	return t.upper(t.scratch)
}

func (t *interned) add(name []byte, shown string) string {
	if len(name) > maxShown || len(t.known) >= maxNames {
		return shown
	}
	if t.known == nil {
		t.known = make(map[string]string)
	}
	t.known[string(name)] = shown
	return shown
}

// upperASCII leaves bytes that are no ASCII letters alone, as the server's comparison of names does.
func upperASCII(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - ('a' - 'A')
		}
		return r
	}, string(b))
}
