package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"keyfeed/internal/app"
	"keyfeed/internal/config"
	"keyfeed/internal/replay"
	"keyfeed/internal/verify"
)

// verifyFlags is the command line of keyfeed verify.
type verifyFlags struct {
	source, target string
	json           bool
	print          int64
	opts           verify.Options
}

func parseVerify(p process) (verifyFlags, error) {
	var f verifyFlags
	flags := flag.NewFlagSet("keyfeed verify", flag.ContinueOnError)
	flags.StringVar(&f.source, "source", "", "redis://host:port of the source; default KEYFEED_SOURCE_URL")
	flags.StringVar(&f.target, "target", "", "redis://host:port of the target; default KEYFEED_TARGET_URL")
	flags.BoolVar(&f.json, "json", false, "print JSON, one object a line; the last one is the summary")
	flags.Int64Var(&f.print, "print", 100, "print this many keys that differ; all are counted")
	flags.BoolVar(&f.opts.ShowValues, "show-values", false, "print values too, up to 64 bytes of each")
	flags.IntVar(&f.opts.MaxRate, "max-rate", 0, "read at most this many keys a second; elements of large keys count like keys; 0: no limit")
	flags.IntVar(&f.opts.Rounds, "recheck", 4, "look this often again at a key that differs before it is reported")
	flags.DurationVar(&f.opts.Pause, "recheck-pause", time.Second, "before the first of these looks; it doubles each time")
	flags.DurationVar(&f.opts.Tolerance, "tolerance", time.Second, "how far times may be apart that a server tells only as time left or idle")
	rest, err := parse(p, flags)
	const maxRounds, maxPause = 16, time.Hour
	switch {
	case err != nil:
		return f, err
	case len(rest) > 0:
		return f, &usageError{"keyfeed verify takes options only"}
	case f.print < 0, f.opts.MaxRate < 0, f.opts.Rounds < 0, f.opts.Pause < 0, f.opts.Tolerance < 0:
		return f, &usageError{"no option of keyfeed verify can be negative"}
	case f.opts.Rounds > maxRounds, f.opts.Pause > maxPause:
		return f, &usageError{fmt.Sprintf("-recheck is at most %d and -recheck-pause at most %v", maxRounds, maxPause)}
	}
	return f, nil
}

// errDifferent is how keyfeed verify ends when it found what it looks for.
var errDifferent = errors.New("source and target differ")

func runVerify(ctx context.Context, p process) (err error) {
	f, err := parseVerify(p)
	if err != nil {
		return err
	}
	if f.opts.Source, f.opts.Target, err = verifyServers(p.environ, f.source, f.target); err != nil {
		return err
	}
	out := bufio.NewWriter(p.stdout)
	defer func() { err = errors.Join(err, out.Flush()) }()
	pr := &verifyPrinter{out: out, json: f.json, left: f.print}
	f.opts.Report = pr.finding
	// Where a replay left off is in the target and not in the source.
	f.opts.Ignore = func(db int, key string) bool { return db == 0 && replay.Reserved(key) }
	v := verify.New(f.opts)
	var sum verify.Summary
	began := time.Now()
	watching, stop := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		watchVerify(watching, v, p.stderr)
		return nil
	})
	g.Go(func() (err error) {
		defer stop()
		sum, err = v.Run(ctx)
		return err
	})
	err = g.Wait()
	if perr := pr.summary(sum, time.Since(began), err == nil); perr != nil {
		return errors.Join(err, perr)
	}
	if err == nil && sum.Different > 0 {
		return fmt.Errorf("%w: %d keys", errDifferent, sum.Different)
	}
	return err
}

// verifyServers takes the addresses from the environment, the options in their place. What concerns a sink is not asked for.
func verifyServers(environ []string, source, target string) (s, t verify.Server, err error) {
	environ = replayEnviron(environ, "")
	if source != "" {
		environ = append(environ, config.Prefix+"SOURCE_URL="+source)
	}
	cfg, err := app.Load(environ)
	if err != nil {
		return s, t, err
	}
	if target == "" && cfg.Target.URL.Reveal() == "" {
		return s, t, &usageError{"say what to compare the source with: -target redis://host:port, or KEYFEED_TARGET_URL"}
	}
	a, err := app.SourceConfig(&cfg, nil)
	if err != nil {
		return s, t, err
	}
	b, err := app.TargetConfig(&cfg, "-target", target)
	if err != nil {
		return s, t, err
	}
	s = verify.Server{Network: a.Network, Address: a.Address, Username: a.Username, Password: a.Password, TLS: a.TLS}
	t = verify.Server{Network: b.Network, Address: b.Address, Username: b.Username, Password: b.Password, TLS: b.TLS}
	return s, t, nil
}
