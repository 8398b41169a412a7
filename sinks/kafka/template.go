package kafka

import (
	"fmt"
	"strconv"
	"strings"
)

// template makes the name of the topic that the events of a database go to.
type template struct {
	before, after string
	perDB         bool // before + db + after; otherwise before is the whole name
}

// parseTemplate fills in {source} and remembers where {db} stands.
func parseTemplate(text, source string) (template, error) {
	text = strings.ReplaceAll(text, "{source}", source)
	before, after, perDB := strings.Cut(text, "{db}")
	if strings.ContainsAny(before+after, "{}") {
		return template{}, fmt.Errorf("topic %q: only {source} and, once, {db} can be filled in", text)
	}
	return template{before: before, after: after, perDB: perDB}, nil
}

// of returns the topic of a database; one without {db} is the same for all, also for no database.
func (t template) of(db int32) string {
	if !t.perDB {
		return t.before
	}
	return t.before + strconv.Itoa(int(max(db, 0))) + t.after
}

// matches reports whether name is the topic of some database.
func (t template) matches(name string) bool {
	if !t.perDB {
		return name == t.before
	}
	db, ok := strings.CutPrefix(name, t.before)
	if !ok {
		return false
	}
	if db, ok = strings.CutSuffix(db, t.after); !ok {
		return false
	}
	n, err := strconv.ParseInt(db, 10, 32)
	return err == nil && n >= 0 && strconv.FormatInt(n, 10) == db
}
