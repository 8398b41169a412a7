package config

import (
	"fmt"
	"io"
)

// Value is the effective value of one setting, for people.
type Value struct {
	Name  string
	Text  string // secrets as [redacted]; empty = none
	Given bool   // set by the environment; otherwise the default
}

// Redacted lists all settings with their effective values, in the order of the documentation.
func (c *Config) Redacted() []Value {
	var out []Value
	for _, s := range settings(c) {
		out = append(out, Value{Name: s.name, Text: s.text(), Given: c.given[s.name]})
	}
	return out
}

// Print writes the effective configuration, one NAME=value a line. What has no value, or is a secret, is a comment, so
// that the output can be used as an env file.
func (c *Config) Print(w io.Writer) error {
	for _, v := range c.Redacted() {
		comment := ""
		if v.Text == "" || v.Text == hidden {
			comment = "# "
		}
		if _, err := fmt.Fprintf(w, "%s%s=%s\n", comment, v.Name, v.Text); err != nil {
			return fmt.Errorf("printing the configuration: %w", err)
		}
	}
	return nil
}
