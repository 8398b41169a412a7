package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// maxSecretFile bounds what is read of a file that holds a secret, in bytes.
const maxSecretFile = 64 << 10

// Load reads the settings from an environment, given as os.Environ gives it, and from the files that it names. The error
// is an *Error with all problems there are. Names that do not begin with KEYFEED_ are not looked at.
func Load(environ []string) (Config, error) {
	l := loader{known: settings(new(Config)), env: map[string]string{}, given: map[string]bool{}}
	l.readEnviron(environ)
	cfg := l.parse()
	cfg.given = l.given
	cfg.applyModes()
	for _, s := range settings(&cfg) {
		if !l.broken[s.name] {
			l.check(s)
		}
	}
	l.problems = append(l.problems, cfg.conflicts()...)
	cfg.warnings = cfg.unused()
	if len(l.problems) > 0 {
		// What could be read is returned, so that more can be checked; but no URL, which may hide a password where none is
		// looked for.
		cfg.Source.URL, cfg.Target.URL, cfg.NATS.URL = URL{}, URL{}, URL{NATSEmbedded}
		return cfg, &Error{Problems: l.problems}
	}
	return cfg, nil
}

// Warnings tells, in sentences, of settings that have no effect.
func (c *Config) Warnings() []string { return c.warnings }

type loader struct {
	known    []setting
	env      map[string]string // what caarlos0/env sees: known names that are set
	given    map[string]bool
	broken   map[string]bool // names whose value could not be read
	problems []string
}

func (l *loader) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// readEnviron takes the known names, the contents of secret files included, and reports all others.
func (l *loader) readEnviron(environ []string) {
	all := map[string]string{}
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, Prefix) {
			all[name] = value
		}
	}
	for _, s := range l.known {
		value, set := all[s.name]
		delete(all, s.name)
		if set {
			l.take(s.name, value)
		}
		if !s.isSecret() {
			continue
		}
		fileName := s.name + "_FILE"
		path, fileSet := all[fileName]
		delete(all, fileName)
		switch {
		case fileSet && set:
			l.problem("%s and %s are both set: keep one", s.name, fileName)
		case fileSet:
			l.takeFile(s.name, fileName, path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !isKubernetes(name) {
			l.problem("%s is not a setting%s", name, nearest(name, l.names()))
		}
	}
}

// names lists what may be set.
func (l *loader) names() []string {
	var names []string
	for _, s := range l.known {
		names = append(names, s.name)
		if s.isSecret() {
			names = append(names, s.name+"_FILE")
		}
	}
	return names
}

func (l *loader) take(name, value string) {
	if value == "" {
		l.problem("%s is set but empty: give it a value or unset it", name)
		return
	}
	l.env[name] = value
	l.given[name] = true
}

func (l *loader) takeFile(name, fileName, path string) {
	if path == "" {
		l.problem("%s is set but empty: give it a value or unset it", fileName)
		return
	}
	value, err := readSecret(path)
	if err != nil {
		l.problem("%s: %v", fileName, err)
		return
	}
	l.env[name] = value
	l.given[name] = true
}

// readSecret reads a file without the newline at its end.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case len(b) > maxSecretFile:
		return "", fmt.Errorf("%s is larger than %d bytes: is it the right file?", path, maxSecretFile)
	case value == "":
		return "", fmt.Errorf("%s is empty", path)
	}
	return value, nil
}

// parse lets caarlos0/env fill a Config. Its errors name fields of Go; to tell the names of the settings, the values are
// given to it one by one if there are any errors.
func (l *loader) parse() Config {
	var cfg Config
	if parseEnv(&cfg, l.env) == nil {
		return cfg
	}
	l.broken = map[string]bool{}
	good := map[string]string{}
	for _, s := range l.known {
		value, ok := l.env[s.name]
		if !ok {
			continue
		}
		if err := parseEnv(new(Config), map[string]string{s.name: value}); err != nil {
			l.broken[s.name] = true
			l.problem("%s %s", s.name, reasonOf(s, err))
			continue
		}
		good[s.name] = value
	}
	cfg = Config{}
	if err := parseEnv(&cfg, good); err != nil {
		l.problem("%v", err)
	}
	return cfg
}

func parseEnv(c *Config, values map[string]string) error {
	return env.ParseWithOptions(c, env.Options{Environment: values, Prefix: Prefix})
}

// reasonOf says what a value must be. It never holds the value.
func reasonOf(s setting, err error) string {
	switch s.value.Interface().(type) {
	case time.Duration:
		return "must be a duration such as 100ms, 10s or 5m"
	case bool:
		return "must be true or false"
	case int:
		return "must be a whole number"
	}
	if parse, ok := errors.AsType[env.ParseError](err); ok {
		return parse.Err.Error()
	}
	return "cannot be read as " + reflect.TypeOf(s.value.Interface()).String()
}

// applyModes sets the defaults that depend on other settings.
func (c *Config) applyModes() {
	if !c.InMemory() {
		return
	}
	const memoryCap = Size(256 << 20)
	if !c.given[Prefix+"SOURCE_ACK"] {
		c.Source.Ack = AckPublished
	}
	if c.Backlog.MaxBytes == 0 {
		c.Backlog.MaxBytes = memoryCap
	}
	if c.SpoolMaxBytes == 0 {
		c.SpoolMaxBytes = memoryCap
	}
}
