package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"keyfeed/docs"
	"keyfeed/internal/app"
)

// noArgs refuses what follows a command that takes nothing.
func noArgs(p process, name string) error {
	rest, err := parse(p, flag.NewFlagSet("keyfeed "+name, flag.ContinueOnError))
	if err == nil && len(rest) > 0 {
		err = &usageError{fmt.Sprintf("keyfeed %s takes no arguments: settings are environment variables", name)}
	}
	return err
}

func runBridge(ctx context.Context, p process) error {
	if err := noArgs(p, "run"); err != nil {
		return err
	}
	cfg, err := app.Load(p.environ)
	if err != nil {
		return err
	}
	// With the sink stdout, a reader that ends must be an error with a name, not a silent death in the middle of a write.
	signal.Ignore(syscall.SIGPIPE)
	return app.Run(ctx, cfg, p.stdout, p.stderr)
}

func runConfig(_ context.Context, p process) error {
	if err := noArgs(p, "config"); err != nil {
		return err
	}
	cfg, err := app.Load(p.environ)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings() {
		fmt.Fprintln(p.stderr, "keyfeed: "+w)
	}
	return cfg.Print(p.stdout)
}

func runSchema(_ context.Context, p process) error {
	if err := noArgs(p, "schema"); err != nil {
		return err
	}
	_, err := io.WriteString(p.stdout, docs.EventsSchema())
	return err
}

// version is set by the build.
var version = "dev"

func runVersion(_ context.Context, p process) error {
	if err := noArgs(p, "version"); err != nil {
		return err
	}
	goVersion := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	_, err := fmt.Fprintf(p.stdout, "keyfeed %s (%s)\n", version, goVersion)
	return err
}

func runHealthcheck(ctx context.Context, p process) error {
	if err := noArgs(p, "healthcheck"); err != nil {
		return err
	}
	cfg, err := app.Load(p.environ)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(cfg.HTTPAddr)
	if err != nil {
		return fmt.Errorf("reading KEYFEED_HTTP_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", http.NoBody)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking keyfeed for its health: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", body)
	}
	_, err = p.stdout.Write(body)
	return err
}
