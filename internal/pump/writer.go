package pump

import (
	"context"
	"time"

	"keyfeed/internal/change"
	"keyfeed/internal/event"
	"keyfeed/sinks"
)

const (
	// batchBytes ends a batch at the next unit boundary. Large enough that per-batch work vanishes, small enough that
	// several are in flight; measured by BenchmarkWriter.
	batchBytes = 256 << 10
	// maxBatchBytes ends a batch inside a unit: memory stays bounded however large a MULTI block is.
	maxBatchBytes = 1 << 20
	maxRecords    = 4096
)

// writer turns events into batches. It is owned by the pump's goroutine.
type writer struct {
	ctx    context.Context //nolint:containedctx // one session's context: the Handler methods have none of their own
	sink   sinks.Sink
	enc    *event.Encoder
	cfg    *Config
	max    int // the largest value+key that the sink stores, 0 = unknown
	shared *progress
	pool   *batchPool

	batch  *change.Batch
	arena  []byte
	inUnit int // records of the unit under way at the end of the batch

	queued change.Position // of the last record made
	passed change.Position // the end of the last unit handed out; at or after queued, or inside its unit before it
	last   time.Time       // when queued last moved
}

func (w *writer) begin(pos change.Position, enc *event.Encoder) {
	w.enc, w.queued, w.passed = enc, pos, pos
	w.inUnit = 0
	if w.last.IsZero() {
		w.last = time.Now()
	}
}

// Event implements Handler.
func (w *writer) Event(e *event.Event, pos change.Position) error {
	if err := w.add(e, pos); err != nil {
		return err
	}
	w.inUnit++
	if len(w.arena) >= maxBatchBytes || len(w.batch.Records) >= maxRecords {
		return w.send()
	}
	return nil
}

// add encodes e at the end of the batch.
func (w *writer) add(e *event.Event, pos change.Position) error {
	if w.batch == nil {
		w.batch, w.arena = w.pool.get()
	}
	r, key, kind := route(e)
	start := len(w.arena)
	w.arena = append(w.arena, key...)
	mid := len(w.arena)
	w.arena = w.enc.Append(w.arena, e)
	if w.max > 0 && len(w.arena)-start > w.max {
		return &tooLargeError{size: len(w.arena) - start, max: w.max, id: string(event.AppendID(nil, e))}
	}
	rec := change.Record{
		Value: w.arena[mid:len(w.arena):len(w.arena)],
		Route: r,
		DB:    int32(e.DB),
		Kind:  kind,
		Pos:   pos,
	}
	if r == change.RouteKey {
		rec.Key = w.arena[start:mid:mid]
	}
	w.batch.Records = append(w.batch.Records, rec)
	w.batch.Bytes += len(w.arena) - start
	w.queued = pos
	return nil
}

// Unit implements Handler.
func (w *writer) Unit(end change.Position) error {
	w.passed = end
	if w.inUnit > 0 && w.batch != nil {
		// The unit's last delivered record closes it: what a filter dropped behind it counts as passed.
		w.batch.Records[len(w.batch.Records)-1].Pos = end
		w.queued = end
	}
	w.inUnit = 0
	if w.queued.InSnapshot() && !end.InSnapshot() {
		// The snapshot's last events were dropped by a filter, or left with the batch before: the sink must learn that it
		// is over, or its spool would be kept.
		if err := w.heartbeat(); err != nil {
			return err
		}
	}
	if w.passed.Offset-w.queued.Offset >= w.cfg.HeartbeatBytes {
		if err := w.heartbeat(); err != nil {
			return err
		}
	}
	if len(w.arena) >= batchBytes {
		return w.send()
	}
	return nil
}

// Idle implements Handler.
func (w *writer) Idle(ctx context.Context) (time.Time, error) {
	now := time.Now()
	behind := w.queued.Compare(w.passed) < 0
	due := w.last.Add(w.cfg.HeartbeatInterval)
	if behind && (!now.Before(due) || w.shared.wants(w.passed.Offset)) {
		if err := w.heartbeat(); err != nil {
			return now, err
		}
	}
	if err := w.send(); err != nil {
		return now, err
	}
	w.shared.report(w.queued, w.passed)
	if !behind || !now.Before(due) {
		due = now.Add(w.cfg.HeartbeatInterval)
	}
	return due, context.Cause(ctx)
}

// heartbeat stores the position at the last unit boundary.
func (w *writer) heartbeat() error {
	at := event.Stamp{Gen: w.passed.Gen, Offset: w.passed.Offset, TsMs: time.Now().UnixMilli()}
	h := event.Heartbeat{Position: w.passed.String()}
	if w.cfg.Keys != nil {
		h.Keys, h.KeysKnown = w.cfg.Keys()
	}
	e := event.NewHeartbeat(at, h)
	return w.add(&e, w.passed)
}

// send hands the batch to the sink.
func (w *writer) send() error {
	if w.batch == nil || len(w.batch.Records) == 0 {
		return nil
	}
	b := w.batch
	w.pool.keep(b, w.arena)
	w.batch, w.arena = nil, nil
	w.inUnit = 0 // the rest of a unit starts anew in the next batch
	w.last = time.Now()
	w.shared.report(b.End(), change.Position{})
	if err := w.sink.Write(w.ctx, b); err != nil {
		return &sinkError{err}
	}
	return nil
}
