package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"keyfeed/backlog"
	"keyfeed/internal/bridge"
	"keyfeed/internal/config"
	"keyfeed/internal/pump"
	"keyfeed/snapshot"
)

// bridgeConfig describes the one bridge of the process.
func bridgeConfig(cfg *config.Config, log *slog.Logger) (bridge.Config, error) {
	source, err := SourceConfig(cfg, log)
	if err != nil {
		return bridge.Config{}, err
	}
	maxBacklog := int64(cfg.Backlog.MaxBytes)
	if maxBacklog == 0 {
		if maxBacklog, err = defaultBacklog(cfg); err != nil {
			return bridge.Config{}, err
		}
	}
	return bridge.Config{
		Name: cfg.Source.Name, DataDir: cfg.DataDir, Memory: cfg.InMemory(), Source: source,
		Backlog: backlog.Config{
			MaxBytes: maxBacklog, Sync: cfg.Backlog.Sync,
			RetainBytes: orNone(int64(cfg.Backlog.RetainBytes)), RetainAge: orNone(cfg.Backlog.Retain),
		},
		Spool: snapshot.Config{MaxBytes: int64(cfg.SpoolMaxBytes)},
		Pump: pump.Config{
			HeartbeatInterval: cfg.HeartbeatInterval, FlushTimeout: max(cfg.ShutdownTimeout, time.Millisecond), // 0s: at once
		},
		MaxBytes: int(cfg.Event.MaxBytes), BinaryAlways: cfg.Event.Binary == config.BinaryAlways, Publish: cfg.Event.Publish,
		Filter: pump.Filter{
			Include: cfg.Filter.KeysInclude, Exclude: cfg.Filter.KeysExclude, DBs: cfg.Filter.DBs,
			DropUnknown: cfg.On.Unknown == config.PolicySkip,
		},
		FailUnknown: cfg.On.Unknown == config.PolicyFail, FailOversize: cfg.On.Oversize == config.PolicyFail,
		StallTimeout:     cfg.StallTimeout,
		MaxShrink:        cfg.MaxShrink,
		FullSyncsPerHour: cfg.FullSyncsPerHour,
		SnapshotMode:     cfg.SnapshotMode, OnHistoryLoss: cfg.On.HistoryLoss, OnSinkLoss: cfg.On.SinkLoss,
		OnBacklogFull: cfg.On.BacklogFull, AckPublished: cfg.Source.Ack == config.AckPublished, Logger: log,
	}, nil
}

// orNone turns a setting of 0, "keep none", into what the backlog calls that.
func orNone[T ~int64](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// defaultBacklog is half of the space that is free but for the source's own files: a restart with a full log must not
// find the limit halved.
func defaultBacklog(cfg *config.Config) (int64, error) {
	free, err := freeSpace(cfg.DataDir)
	if err != nil {
		return 0, err
	}
	var own int64
	err = filepath.WalkDir(filepath.Join(cfg.DataDir, "sources", cfg.Source.Name), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			own += info.Size()
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("measuring the backlog: %w", err)
	}
	return (free + own) / 2, nil
}

// freeSpace is the free space where dir is, or will be.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	for {
		err := unix.Statfs(dir, &st)
		if err == nil {
			return int64(st.Bavail) * st.Bsize, nil
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, unix.ENOENT) || parent == dir {
			return 0, fmt.Errorf("asking for the free space of KEYFEED_DATA_DIR: %w", err)
		}
		dir = parent
	}
}
