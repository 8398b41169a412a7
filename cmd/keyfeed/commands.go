package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"keyfeed/ingest"
	"keyfeed/internal/bridge"
	"keyfeed/internal/config"
	"keyfeed/internal/replay"
	"keyfeed/internal/verify"
	"keyfeed/sinks"
)

// Exit codes; the README lists them.
const (
	exitOK       = 0
	exitError    = 1
	exitConfig   = 2
	exitOperator = 3
	exitFenced   = 75
)

// verb is one word of the command line.
type verb struct {
	name string
	args string // for help
	does string
	run  func(context.Context, process) error
}

func verbs() []verb {
	return []verb{
		{"run", "", "carry changes from the source to the sink; the default", runBridge},
		{"check", "", "connect to both ends, print what was found, change nothing", runCheck},
		{"config", "", "print the effective configuration, secrets redacted", runConfig},
		{"position", "show|reset", "what the sink holds; reset: the next start asks for a new snapshot", runPosition},
		{"backlog", "inspect|cut", "look at the log on disk; cut: drop what follows a damaged place", runBacklog},
		{"decode", "FILE", "print an RDB file or a log segment as events", runDecode},
		{"tail", "[-from new|start|N] [-json] [-follow=false]", "print the events of the sink", runTail},
		{"replay", "-from nats|kafka|FILE|- [-to URL] [-to-end] [-overwrite]", "apply the events to another server, which becomes a copy of the source", runReplay},
		{"verify", "-target redis://… [-source redis://…] [-json] [-max-rate N]", "compare the source with another server; exit 0 only when they are equal", runVerify},
		{"schema", "", "print the JSON Schema of events", runSchema},
		{"healthcheck", "", "exit 0 when the keyfeed of this configuration is ready", runHealthcheck},
		{"version", "", "print version and build", runVersion},
	}
}

// run finds the command and turns its error into an exit code.
func run(ctx context.Context, p process) int {
	name := "run"
	if len(p.args) > 0 && !strings.HasPrefix(p.args[0], "-") {
		name, p.args = p.args[0], p.args[1:]
	}
	if name == "help" || len(p.args) > 0 && (p.args[0] == "-h" || p.args[0] == "-help" || p.args[0] == "--help") {
		help(p)
		return exitOK
	}
	for _, c := range verbs() {
		if c.name == name {
			return exit(p, c.run(ctx, p))
		}
	}
	fmt.Fprintf(p.stderr, "keyfeed: there is no command %q\n\n", name)
	help(p)
	return exitConfig
}

func help(p process) {
	fmt.Fprint(p.stdout, "keyfeed turns a Redis or Valkey server into a change stream.\n\n"+
		"usage: keyfeed [command]\n\n")
	for _, c := range verbs() {
		fmt.Fprintf(p.stdout, "  %-12s %s\n", c.name, c.does)
		if c.args != "" {
			fmt.Fprintf(p.stdout, "  %-12s   keyfeed %s %s\n", "", c.name, c.args)
		}
	}
	fmt.Fprint(p.stdout, "\nEverything is set by environment variables KEYFEED_…; keyfeed config prints them.\n"+
		"Exit codes: 0 done, 1 an error after retries, 2 configuration, 3 needs an operator, 75 another writer took over.\n")
}

// usageError is a command line that cannot be understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// exit prints err and gives its code.
func exit(p process, err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	fmt.Fprintf(p.stderr, "keyfeed: %v\n", err)
	_, usage := errors.AsType[*usageError](err)
	_, settings := errors.AsType[*config.Error](err)
	_, inexact := errors.AsType[replay.InexactError](err)
	switch {
	case usage, settings:
		return exitConfig
	case errors.Is(err, sinks.ErrFenced), errors.Is(err, replay.ErrFenced):
		return exitFenced
	case errors.Is(err, bridge.ErrOperator), errors.Is(err, bridge.ErrLocked),
		errors.Is(err, ingest.ErrOperator), errors.Is(err, sinks.ErrConfig), errors.Is(err, verify.ErrOperator),
		errors.Is(err, replay.ErrTarget), errors.Is(err, replay.ErrGap), inexact:
		return exitOperator
	default:
		return exitError
	}
}

// parse reads the flags of a command and returns what follows them.
func parse(p process, flags *flag.FlagSet) ([]string, error) {
	flags.SetOutput(p.stderr)
	if err := flags.Parse(p.args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, &usageError{err.Error()}
	}
	return flags.Args(), nil
}
