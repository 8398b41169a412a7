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

	// ctx ends when the session has failed or ends; records that the client has not sent yet then fail.
	ctx    context.Context //nolint:containedctx // it is the life of the session, and is given to every record
	cancel context.CancelCauseFunc

	flights  sync.WaitGroup // batches that the client holds records of
	loop     sync.WaitGroup // the commit loop
	flushNow chan chan error
	commit   committer

	free sync.Pool // of *flight
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
	e.topics = newTopics(s.cfg, nil, s.names)
	if e.cl, err = newClient(s.cfg, append(opts, kgo.WithHooks(e.dials))...); err != nil {
		return nil, pos, err
	}
	if pos, err = e.connect(ctx); err != nil {
		e.cl.Close()
		if ctx.Err() != nil {
			return nil, pos, e.dials.explain(fmt.Errorf("%w: %w", context.Cause(ctx), err))
		}
		return nil, pos, err
	}
	e.maxRecord = e.smallestLimit() - recordOverhead
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	return e, pos, nil
}

// connect makes sure of the topics and reads the position. The client that will write is there before: one that fences
// other writers (invariant 9) has to do so before it reads what they stored.
func (e *session) connect(ctx context.Context) (pos change.Position, err error) {
	s := e.sink
	e.topics.adm = kadm.NewClient(e.cl)
	if err := e.topics.addProgress(ctx); err != nil {
		return pos, err
	}
	if _, err := e.topics.get(ctx, 0); err != nil {
		return pos, err
	}
	reader := &progressReader{cl: e.cl, adm: e.topics.adm, topic: s.cfg.ProgressTopic}
	value, err := reader.last(ctx, s.cfg.Source)
	if err != nil {
		return pos, err
	}
	if value != nil {
		p, err := parseProgress(value, s.cfg.Source)
		if err != nil {
			return pos, operator(err, fmt.Sprintf("look at the records of key %q in topic %s", s.cfg.Source, s.cfg.ProgressTopic))
		}
		if err := e.topics.restore(ctx, p); err != nil {
			return pos, err
		}
		pos = p.position
	}
	return pos, nil
}

func (e *session) smallestLimit() int {
	limit := maxBatchBytes
	for _, t := range e.topics.all() {
		limit = min(limit, int(t.maxMessage))
	}
	return limit
}

// run starts the commit loop; the window has been reset to pos.
func (e *session) run(pos change.Position) {
	e.commit = committer{session: e, committed: pos}
	e.loop.Go(e.commit.run)
}

// fail ends the session with its first error. Nothing newer is confirmed from here on (invariant 8).
func (e *session) fail(err error) {
	err = classify(err, e.sink.cfg.CreateTopics)
	e.sink.window.Fail(err)
	e.cancel(err)
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
