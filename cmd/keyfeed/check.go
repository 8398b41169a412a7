package main

import (
	"context"
	"time"

	"keyfeed/internal/app"
	"keyfeed/internal/check"
)

// checkTimeout bounds the whole check.
const checkTimeout = 30 * time.Second

func runCheck(ctx context.Context, p process) error {
	if err := noArgs(p, "check"); err != nil {
		return err
	}
	cfg, err := app.Load(p.environ)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return check.Run(ctx, &cfg, p.stdout)
}
