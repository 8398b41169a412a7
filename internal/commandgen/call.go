package commandgen

import (
	"slices"
	"strings"
)

// Call is one command as a client types it.
type Call struct {
	Row  string // name in the table
	Argv []string
}

// draft is a call that is being made.
type draft struct {
	*Generator
	cmd  *Command
	kind string // of the call's keys, mostly
	argv []string
}

// optional is how often an optional argument is there, of 100.
const optional = 35

// call draws a call of the command.
func (g *Generator) call(c *Command) Call {
	for {
		d := &draft{Generator: g, cmd: c, argv: strings.Fields(c.Name)}
		d.kind = d.drawKind()
		d.list(c.Args)
		call := Call{c.Name, d.argv}
		if unfit(call) {
			continue
		}
		if g.chance(10) {
			call.Argv[0] = strings.ToLower(call.Argv[0])
		}
		return call
	}
}

// list writes siblings, one after the other. A number of keys, fields or the like ("numkeys") says how often the next
// sibling comes that may come several times; siblings of that kind which follow each other come equally often (keys and
// ids of XREADGROUP, keys and WEIGHTS of ZUNIONSTORE).
func (d *draft) list(args []Arg) {
	n, counted := 0, false
	for _, a := range d.shuffled(args) {
		switch {
		case counted && a.Multiple && strings.Contains(a.Type, "key"):
		case a.Optional && !d.chance(optional):
			continue
		}
		switch {
		case a.Type == "integer" && strings.HasPrefix(a.Name, "num"):
			n, counted = d.few(), true
			if a.Name == "num-vertices" {
				n += 2
			}
			d.token(a)
			d.add(itoa(n))
		case a.Multiple:
			switch {
			case n > 0:
			case a.Name == "id":
				n = 1 + d.rng.IntN(10) // of entries: few of them are there
			default:
				n = d.few()
			}
			if !a.EachToken {
				d.token(a)
			}
			for range n {
				if a.EachToken {
					d.token(a)
				}
				d.value(a)
			}
		default:
			d.token(a)
			d.value(a)
		}
	}
}

// shuffled brings options that stand beside each other into any order, sometimes. One that comes several times stays last,
// since it takes what follows.
func (d *draft) shuffled(args []Arg) []Arg {
	option := func(a Arg) bool { return a.Optional && !a.Multiple && named(a) }
	out := slices.Clone(args)
	for i := 0; i < len(out); {
		j := i
		for j < len(out) && option(out[j]) {
			j++
		}
		if j-i > 1 && d.chance(50) {
			d.rng.Shuffle(j-i, func(a, b int) { out[i+a], out[i+b] = out[i+b], out[i+a] })
		}
		i = max(j, i+1)
	}
	return out
}

// named reports whether whatever is chosen of the argument begins with a token.
func named(a Arg) bool {
	if a.Token != "" {
		return true
	}
	switch a.Type {
	case "oneof":
		return !slices.ContainsFunc(a.Args, func(b Arg) bool { return !named(b) })
	case "block":
		return len(a.Args) > 0 && named(a.Args[0]) && !a.Args[0].Optional
	}
	return false
}

func (d *draft) token(a Arg) {
	if a.Token != "" && a.Type != "pure-token" {
		d.word(a.Token)
	}
}

// word adds a token, in lower case sometimes.
func (d *draft) word(token string) {
	if d.chance(30) {
		token = strings.ToLower(token)
	}
	d.add(token)
}

func (d *draft) value(a Arg) {
	switch a.Type {
	case "oneof":
		one := a.Args[d.rng.IntN(len(a.Args))]
		one.Optional = false
		d.list([]Arg{one})
	case "block":
		d.list(a.Args)
	case "pure-token":
		d.word(a.Token)
	case "key":
		d.add(d.key(a))
	default:
		d.add(d.leaf(a))
	}
}

func (d *draft) add(word string) { d.argv = append(d.argv, word) }

// has reports whether the call has the word already.
func (d *draft) has(word string) bool { return has(d.argv, word) }

func has(argv []string, word string) bool {
	return slices.ContainsFunc(argv, func(a string) bool { return strings.EqualFold(a, word) })
}

func (d *draft) is(names ...string) bool { return slices.Contains(names, d.cmd.Name) }
