package commandgen

import (
	"math/rand/v2"
	"time"
)

// Options are what calls are made with.
type Options struct {
	Seed      uint64
	Now       func() time.Time    // for deadlines
	Databases int                 // that data is in, from 0
	Payloads  map[string][]string // by kind: what DUMP of this server gave
	Functions string              // what FUNCTION DUMP gave
	Peer      int                 // port on 127.0.0.1 of the server that MIGRATE sends keys to
}

// Wrap is what stands around calls.
type Wrap int

// What may stand around calls.
const (
	Plain  Wrap = iota // nothing
	Multi              // MULTI and EXEC
	Script             // EVAL of [Wrapper]
)

// Unit is a call, or several in a wrap.
type Unit struct {
	Wrap  Wrap
	Calls []Call
}

// Generator draws calls. One goroutine uses it.
type Generator struct {
	opts     Options
	rng      *rand.Rand
	commands []Command
	byName   map[string]*Command
	deck     []*Command // what is left of this round
	round    int
	entries  int64 // of streams, so far
}

// New returns a generator of the commands.
func New(commands []Command, opts Options) *Generator {
	g := &Generator{opts: opts, rng: rand.New(rand.NewPCG(opts.Seed, 1)), commands: commands, byName: map[string]*Command{}}
	for i := range commands {
		g.byName[commands[i].Name] = &commands[i]
	}
	return g
}

// Next draws the next unit. In a round each command comes, in any order.
func (g *Generator) Next() Unit {
	switch dice := g.rng.IntN(100); {
	case dice < 6:
		return Unit{Multi, g.several(func(*Command) bool { return true })}
	case dice < 10:
		if calls := g.several(func(c *Command) bool { return !alone(c.Name) }); len(calls) > 0 {
			return Unit{Script, calls}
		}
	}
	return Unit{Plain, []Call{g.call(g.draw())}}
}

// Of draws a call of one command.
func (g *Generator) Of(name string) Call { return g.call(g.byName[name]) }

// several draws a few calls of commands that fit; the others stand alone some other time.
func (g *Generator) several(fit func(*Command) bool) []Call {
	var calls []Call
	for range 1 + g.rng.IntN(5) {
		c := g.draw()
		if !fit(c) {
			g.deck = append(g.deck, c)
			break
		}
		calls = append(calls, g.call(c))
	}
	return calls
}

func (g *Generator) draw() *Command {
	for len(g.deck) == 0 {
		for i := range g.commands {
			if c := &g.commands[i]; !seldom(c.Name) || g.round%seldomPasses == seldomPasses-1 {
				for range often(c.Name) {
					g.deck = append(g.deck, c)
				}
			}
		}
		g.rng.Shuffle(len(g.deck), func(i, j int) { g.deck[i], g.deck[j] = g.deck[j], g.deck[i] })
		g.round++
	}
	c := g.deck[len(g.deck)-1]
	g.deck = g.deck[:len(g.deck)-1]
	return c
}

// chance is true so often of 100.
func (g *Generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

// few is how often something comes that may come several times.
func (g *Generator) few() int {
	switch dice := g.rng.IntN(20); {
	case dice < 10:
		return 1
	case dice < 19:
		return 2 + g.rng.IntN(2)
	}
	return 4 + g.rng.IntN(10)
}

func one[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }
