package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
)

// bucketName is the key-value bucket that keeps, per stream, the position for the time after the stream's last message
// was removed by a purge or by its age.
const bucketName = "keyfeed"

// keepInterval is how often the bucket is written while positions move.
const keepInterval = 5 * time.Second

// kept is the value in the bucket, as JSON. Its key is the stream's name.
type kept struct {
	Sequence uint64 `json:"sequence"` // of the message that carries Position
	Position string `json:"position"`
}

// keeper reads and writes the bucket. It is a help for one rare case, so it never fails the sink by itself.
type keeper struct {
	cfg    *Config
	bucket jetstream.KeyValue // nil when the bucket could not be opened or written
	stored uint64             // sequence in the bucket, as far as known; owned by who calls put
}

// newKeeper opens the bucket, and makes it when it is missing and the stream might be made too.
func newKeeper(ctx context.Context, js jetstream.JetStream, cfg *Config) *keeper {
	k := &keeper{cfg: cfg}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	bucket, err := js.KeyValue(ctx, bucketName)
	if errors.Is(err, jetstream.ErrBucketNotFound) && cfg.CreateStream {
		bucket, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:      bucketName,
			Description: "positions of keyfeed, for streams whose last message was removed",
			Replicas:    cfg.Replicas,
		})
	}
	if err != nil {
		cfg.Logger.Warn("positions are kept in the stream only: a purge of the whole stream would lose them",
			"bucket", bucketName, "error", err)
		return k
	}
	k.bucket = bucket
	return k
}

// complete finds the position of a stream whose last message is gone.
func (k *keeper) complete(ctx context.Context, at tail) (tail, error) {
	saved, err := k.get(ctx)
	if err != nil {
		return at, err
	}
	switch {
	case saved != nil && saved.Sequence > at.sequence:
		// The stream was restored from a backup, or made anew. What it holds decides; the start table of the bridge
		// notices that it is behind.
		k.cfg.Logger.Warn("the stream ends before what was confirmed: it was replaced or restored",
			"stream", k.cfg.Stream, "last_sequence", at.sequence, "confirmed_sequence", saved.Sequence)
		return at, goneIf(at.gone, k.cfg.Stream, at.sequence)
	case !at.gone:
		return at, nil
	case saved == nil:
		return at, goneIf(true, k.cfg.Stream, at.sequence)
	}
	if at.position, err = change.ParsePosition(saved.Position); err != nil || at.position.IsZero() {
		return at, configError("key %s of bucket %s holds no position; delete it", k.cfg.Stream, bucketName)
	}
	at.gone = false
	if behind := at.sequence - saved.Sequence; behind > 0 {
		k.cfg.Logger.Warn("the end of the stream was removed; the kept position is older, so some events come again",
			"stream", k.cfg.Stream, "events_at_most", behind)
	}
	return at, nil
}

func goneIf(gone bool, stream string, sequence uint64) error {
	if !gone {
		return nil
	}
	return configError("message %d, the last one of stream %s, was removed by a purge or by its age, and the position "+
		"with it; delete the stream to have everything published again", sequence, stream)
}

// get returns nil when nothing is kept.
func (k *keeper) get(ctx context.Context) (*kept, error) {
	if k.bucket == nil {
		return nil, nil //nolint:nilnil // documented
	}
	ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	entry, err := k.bucket.Get(ctx, k.cfg.Stream)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil //nolint:nilnil // documented
	}
	if err != nil {
		return nil, classify(fmt.Errorf("reading bucket %s: %w", bucketName, err))
	}
	saved := &kept{}
	if err := json.Unmarshal(entry.Value(), saved); err != nil {
		return nil, configError("key %s of bucket %s: %w; delete it", k.cfg.Stream, bucketName, err)
	}
	return saved, nil
}

// put keeps a position, unless it is kept already.
func (k *keeper) put(ctx context.Context, sequence uint64, position change.Position) {
	if k.bucket == nil || sequence == k.stored || position.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	value, err := json.Marshal(kept{Sequence: sequence, Position: position.String()})
	if err == nil {
		_, err = k.bucket.Put(ctx, k.cfg.Stream, value)
	}
	if err != nil {
		k.bucket = nil // until the next Open: each attempt may take the whole timeout
		k.cfg.Logger.Warn("positions are kept in the stream only: a purge of the whole stream would lose them",
			"bucket", bucketName, "error", err)
		return
	}
	k.stored = sequence
}
