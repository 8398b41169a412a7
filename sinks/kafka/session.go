package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/internal/change"
)

const (
	// drainTimeout is how long Open waits for the answers to what the session before had sent.
	drainTimeout = time.Second

	// recordOverhead is what a record adds to the bytes of its key and value in a batch of its own: 61 bytes of batch
	// header, at most 36 of record fields (five varints of 32 bits, one of 64, the attributes), and the header
	// keyfeed-broadcast. (Apache Kafka, documentation, Message Format.)
	recordOverhead = 61 + 36 + 5 + len(broadcastHeader) + 5 + 1
)

// errEnded fails what is in flight when a session ends without an error.
var errEnded = errors.New("the session has ended")

// session is the sink between one Open and the next: a client, its topics, and the loop that commits.
type session struct {
	sink   *Sink
	cl     *kgo.Client
	dials  *dialWatch
	topics *topics

	maxRecord int
	partition partitioner
	broadcast []kgo.RecordHeader // of the copies of an event for every partition

	// ctx ends when the session has failed or ends, after the window has failed; records not sent yet then fail.
	ctx    context.Context //nolint:containedctx // it is the life of the session, and is given to every record
	cancel context.CancelCauseFunc

	flights  sync.WaitGroup // batches that are queued or that the client holds records of
	loop     sync.WaitGroup // the session's own goroutines
	flushNow chan chan error
	delivery delivery

	free sync.Pool // of *flight
}

// delivery has batches sent and their positions stored.
type delivery interface {
	hand(*flight) // by the pump's goroutine; it must land, whatever happens
	run()         // until the session has failed or ends; it answers flushNow
}

// start makes a new session and connects it.
func (s *Sink) start(ctx context.Context) (*session, change.Position, error) {
	var pos change.Position
	e := &session{
		sink:      s,
		dials:     &dialWatch{},
		partition: newPartitioner(),
		broadcast: []kgo.RecordHeader{{Key: broadcastHeader, Value: []byte{}}},
		flushNow:  make(chan chan error),
	}
	opts, err := producerOptions(s.cfg, func(name string) int32 { return e.topics.batchBytes(name) })
	if err != nil {
		return nil, pos, err
	}
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	e.topics = newTopics(s.cfg, nil, s.names)
	if e.cl, err = newClient(s.cfg, append(opts, kgo.WithHooks(e.dials))...); err != nil {
		return nil, pos, err
	}
	if pos, err = e.connect(ctx); err != nil {
		e.cancel(err)
		e.cl.Close()
		return nil, pos, e.told(ctx, err)
	}
	e.maxRecord = e.smallestLimit() - recordOverhead
	return e, pos, nil
}

// told adds to err what ended ctx, where that has ended, and what the wait was for.
func (e *session) told(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return e.dials.explain(fmt.Errorf("%w: %w", context.Cause(ctx), err))
}

// connect makes sure of the topics, fences every other writer (invariant 9), and only then reads what they stored.
func (e *session) connect(ctx context.Context) (pos change.Position, err error) {
	s := e.sink
	e.topics.adm = kadm.NewClient(e.cl)
	if err := e.topics.addProgress(ctx); err != nil {
		return pos, err
	}
	if _, err := e.topics.get(ctx, 0); err != nil {
		return pos, err
	}
	if err := e.fence(ctx); err != nil {
		return pos, err
	}
	value, err := e.reader().last(ctx, s.cfg.Source)
	if err != nil {
		return pos, err
	}
	if value != nil {
		p, err := e.parse(value)
		if err != nil {
			return pos, err
		}
		if err := e.ours(p); err != nil {
			return pos, err
		}
		if err := e.topics.restore(ctx, p); err != nil {
			return pos, err
		}
		if err := e.checkTails(ctx, p); err != nil {
			return pos, err
		}
		pos = p.position
	}
	return pos, e.claim(ctx, pos)
}

func (e *session) reader() *progressReader {
	return &progressReader{cl: e.cl, adm: e.topics.adm, topic: e.sink.cfg.ProgressTopic}
}

func (e *session) parse(value []byte) (*progress, error) {
	cfg := &e.sink.cfg
	p, err := parseProgress(value, cfg.Source)
	if err != nil {
		return nil, operator(err, fmt.Sprintf("look at the records of key %q in topic %s", cfg.Source, cfg.ProgressTopic))
	}
	return p, nil
}

func (e *session) smallestLimit() int {
	limit := maxBatchBytes
	for _, t := range e.topics.all() {
		limit = min(limit, int(t.maxMessage))
	}
	return limit
}

// run starts the session's goroutines; the window has been reset to pos.
func (e *session) run(pos change.Position) {
	if e.sink.cfg.AtLeastOnce {
		e.delivery = &committer{session: e, committed: pos}
	}
	e.loop.Go(e.watch)
	e.loop.Go(e.delivery.run)
}

// fail ends the session with its first error. Nothing newer is confirmed from here on (invariant 8).
func (e *session) fail(err error) {
	err = classify(err, e.sink.cfg.CreateTopics)
	e.sink.window.Fail(err)
	e.cancel(err)
	e.sink.signal()
}

// end stops the client and returns when nothing of the session runs and it holds no batch. Before, it waits for up to
// patience for the answers to requests that are on their way, so that what they store is stored before the next session
// reads its position.
func (e *session) end(ctx context.Context, patience time.Duration) {
	e.fail(errEnded)
	e.loop.Wait()
	landed := make(chan struct{})
	go func() {
		defer close(landed)
		e.flights.Wait()
	}()
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-landed:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	e.cl.Close() // fails every record that is left
	<-landed
}

// flush lets the commit loop commit now, and waits for it.
func (e *session) flush(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case e.flushNow <- answer:
	case <-e.ctx.Done():
		return e.sink.window.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
