package commandgen

import (
	"fmt"
	"strings"
)

// Arg is a node of the tree of arguments, as COMMAND DOCS has it.
type Arg struct {
	Name, Type string
	Token      string // stands before the value; of a pure-token it is the value
	Optional   bool
	Multiple   bool
	EachToken  bool // of what comes several times, the token does too
	Args       []Arg
}

// Command is what a server says of a command.
type Command struct {
	Name  string // upper case; of a sub-command both words: "XGROUP CREATE"
	Group string // string, list, sorted-set, generic …
	Args  []Arg
}

// Docs reads a reply to COMMAND DOCS in RESP2: alternating names and values, as deep as it goes. Sub-commands stand in
// the result by both of their words.
func Docs(reply any) (map[string]Command, error) {
	out := map[string]Command{}
	if err := readDocs(reply, out); err != nil {
		return nil, fmt.Errorf("reading COMMAND DOCS: %w", err)
	}
	return out, nil
}

func readDocs(reply any, out map[string]Command) error {
	return pairs(reply, func(name string, value any) error {
		c := Command{Name: strings.ToUpper(strings.ReplaceAll(name, "|", " "))}
		err := pairs(value, func(field string, v any) (err error) {
			switch field {
			case "group":
				c.Group, _ = v.(string)
			case "arguments":
				c.Args, err = readArgs(v)
			case "subcommands":
				err = readDocs(v, out)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		out[c.Name] = c
		return nil
	})
}

func readArgs(v any) ([]Arg, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("arguments are a %T, want a list", v)
	}
	out := make([]Arg, 0, len(list))
	for _, e := range list {
		var a Arg
		err := pairs(e, func(field string, v any) (err error) {
			switch field {
			case "name":
				a.Name, _ = v.(string)
			case "type":
				a.Type, _ = v.(string)
			case "token":
				a.Token, _ = v.(string)
			case "arguments":
				a.Args, err = readArgs(v)
			case "flags":
				flags, _ := v.([]any)
				for _, f := range flags {
					a.Optional = a.Optional || f == "optional"
					a.Multiple = a.Multiple || f == "multiple"
					a.EachToken = a.EachToken || f == "multiple_token"
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// pairs calls f with each name and value of a list that alternates between them.
func pairs(v any, f func(name string, value any) error) error {
	list, ok := v.([]any)
	if !ok || len(list)%2 != 0 {
		return fmt.Errorf("a %T, want a list of names and values", v)
	}
	for i := 0; i < len(list); i += 2 {
		name, ok := list[i].(string)
		if !ok {
			return fmt.Errorf("a %T, want a name", list[i])
		}
		if err := f(name, list[i+1]); err != nil {
			return err
		}
	}
	return nil
}
