package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/internal/change"
)

const (
	// signEvery is how long a source may be silent before a progress record with an unchanged position says that its
	// writer lives: less than the 5 seconds that sinks.Stander promises.
	signEvery = 3 * time.Second

	// idleShare is the part of CommitInterval after which a transaction that gets no more events ends: a lone event need
	// not wait for the whole interval, and a trickle does not become a transaction per event.
	idleShare = 10

	// markPause is between two looks for the marker of a commit, which comes within some milliseconds.
	markPause = 2 * time.Millisecond

	// minTransactionTimeout is the default of Java's producer, maxTransactionTimeout that of transaction.max.timeout.ms.
	minTransactionTimeout = time.Minute
	maxTransactionTimeout = 15 * time.Minute
)

// transactionTimeout is when the brokers end a transaction by themselves. It only matters while no keyfeed runs: the next
// Open aborts what was left at once. Until then it keeps readers of the topics, and other sources that open with the same
// progress topic, waiting, so it is short; yet longer than a session that gets no answers lives.
func transactionTimeout(cfg Config) time.Duration {
	return min(max(minTransactionTimeout, 2*cfg.DeliveryTimeout), maxTransactionTimeout)
}

// transactor is the delivery exactly once: a transaction holds the events of some batches and, as its last record, the
// progress record with the position after them. Its run is one goroutine, which alone talks to the client; batches that
// come while it commits wait in its queue, which the sink's window bounds.
type transactor struct {
	session *session
	idle    time.Duration
	timeout time.Duration

	mu      sync.Mutex // guards what follows
	queue   []*flight  // not handed to the client
	stopped bool       // nobody takes from queue any more

	wake chan struct{} // one value: the queue is not empty

	// Of run's goroutine, and of Open's before that runs.
	committed change.Position       // of the newest committed progress record
	commits   int64                 // progress records made
	signed    time.Time             // when the newest of them was written
	ends      map[partitionID]int64 // the last events by partition, behind the newest committed transaction

	// The transaction under way.
	open  bool
	began time.Time
	took  time.Time       // when its newest batch came
	last  change.Position // after its newest batch
	bytes int             // of its events
	unit  int             // of them, those of the unit that its last batch ends inside of
}

func newTransactor(e *session) *transactor {
	return &transactor{
		session: e,
		idle:    max(e.sink.cfg.CommitInterval/idleShare, time.Millisecond),
		timeout: transactionTimeout(e.sink.cfg),
		wake:    make(chan struct{}, 1),
		ends:    e.ends(),
	}
}

// ends are the last events by partition that are acknowledged.
func (e *session) ends() map[partitionID]int64 {
	return (&progress{Topics: e.topics.progress()}).ends()
}

// hand implements delivery.
func (t *transactor) hand(f *flight) {
	t.mu.Lock()
	stopped := t.stopped
	if !stopped {
		t.queue = append(t.queue, f)
	}
	t.mu.Unlock()
	if stopped {
		f.land() // the session has failed, so this confirms nothing
		return
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *transactor) next() *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		return nil
	}
	f := t.queue[0]
	t.queue[0] = nil
	t.queue = t.queue[1:]
	return f
}

// claim tells in a transaction of its own that this instance writes now, from pos on (invariant 9). It is to be read when
// it counts as made: the next Open takes the record of the writer before for one of a rival otherwise.
func (t *transactor) claim(ctx context.Context, pos change.Position) error {
	t.committed = pos
	if err := t.session.cl.BeginTransaction(); err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	touched := t.touched(t.ends)
	if err := t.seal(ctx, pos, touched); err != nil {
		return err
	}
	return t.marked(ctx, touched)
}

func (t *transactor) run() {
	e := t.session
	defer t.stop()
	timer := time.NewTimer(t.wait())
	defer timer.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-t.wake:
			t.take()
		case answer := <-e.flushNow:
			t.take()
			t.commit()
			answer <- e.sink.window.Err()
		case <-timer.C:
			if t.due() {
				t.commit()
			}
			if time.Since(t.signed) >= signEvery {
				t.sign()
			}
		}
		timer.Reset(t.wait())
	}
}

// stop gives back the batches that the client has not seen. The session has failed, so this confirms nothing.
func (t *transactor) stop() {
	t.mu.Lock()
	left := t.queue
	t.queue, t.stopped = nil, true
	t.mu.Unlock()
	for _, f := range left {
		f.land()
	}
}

// take hands everything that is queued to the client, in as many transactions as that takes.
func (t *transactor) take() {
	for t.session.ctx.Err() == nil {
		f := t.next()
		if f == nil {
			return
		}
		if !t.begin() {
			f.land()
			return
		}
		if f.unitEnd {
			t.unit = f.tail
		} else {
			t.unit += f.bytes
		}
		t.bytes += f.bytes
		t.last, t.took = f.end, time.Now()
		f.send()
		if t.full() {
			t.commit()
		}
	}
}

func (t *transactor) begin() bool {
	if t.open {
		return true
	}
	if err := t.session.cl.BeginTransaction(); err != nil {
		t.session.fail(fmt.Errorf("beginning a transaction: %w", err))
		return false
	}
	t.open, t.began = true, time.Now()
	return true
}

// full reports whether the transaction ends although events go on coming. It ends between units; inside one only where
// that alone is larger than TxnMaxBytes, so that a unit up to that size is never cut: a transaction holds less than twice
// TxnMaxBytes and a batch. Half of the transaction's timeout ends it anywhere, since a timeout would undo all of it.
func (t *transactor) full() bool {
	age := t.took.Sub(t.began)
	if t.last.InUnit() {
		return t.unit >= t.session.sink.cfg.TxnMaxBytes || age >= t.timeout/2
	}
	return t.bytes >= t.session.sink.cfg.TxnMaxBytes || age >= t.session.sink.cfg.CommitInterval
}

// due reports whether the transaction ends because of the time.
func (t *transactor) due() bool { return t.open && time.Until(t.deadline()) <= 0 }

// deadline is when the transaction ends if no more events come.
func (t *transactor) deadline() time.Time {
	if t.last.InUnit() {
		return t.began.Add(t.timeout / 2)
	}
	ends := t.began.Add(t.session.sink.cfg.CommitInterval)
	if idle := t.took.Add(t.idle); idle.Before(ends) {
		return idle
	}
	return ends
}

// wait is how long run may sleep.
func (t *transactor) wait() time.Duration {
	until := t.signed.Add(signEvery)
	if t.open && t.deadline().Before(until) {
		until = t.deadline()
	}
	return max(time.Until(until), 0)
}

// commit ends the transaction with the position after its last batch, and confirms that once Kafka has said that the
// transaction is committed (invariant 2). An error leaves open what has become of it: the next Open reads that.
func (t *transactor) commit() {
	e := t.session
	if !t.open || !t.settle() {
		return
	}
	ends := e.ends()
	touched := t.touched(ends)
	if err := t.seal(e.ctx, t.last, touched); err != nil {
		e.fail(err)
		return
	}
	if err := t.marked(e.ctx, touched); err != nil {
		e.fail(err)
		return
	}
	t.ends, t.committed = ends, t.last
	t.open, t.bytes, t.unit = false, 0, 0
	e.sink.confirm(t.committed)
}

// marked waits until the commit stands in every partition of the transaction: Kafka answers a commit when it is decided,
// and a broker that is killed then may come back without the markers (hanging.go). What is confirmed is what the next Open
// reads, so it is confirmed when that is there to be read (invariant 2), and no later transaction meets one that hangs. The
// next transaction would wait for the same thing.
func (t *transactor) marked(ctx context.Context, touched kadm.TopicsSet) error {
	e := t.session
	timed, cancel := context.WithTimeout(ctx, e.sink.cfg.DeliveryTimeout)
	defer cancel()
	id, _, err := e.cl.ProducerID(timed)
	if err != nil {
		return fmt.Errorf("asking for the producer id: %w", e.because(ctx, timed, err))
	}
	in := func(context.Context) (kadm.TopicsSet, error) { return touched, nil }
	if err := e.awaitNone(timed, id, markPause, in); err != nil {
		return fmt.Errorf("waiting for the end of a transaction: %w", e.because(ctx, timed, err))
	}
	return nil
}

// touched are the partitions of a transaction whose events are acknowledged and end at ends.
func (t *transactor) touched(ends map[partitionID]int64) kadm.TopicsSet {
	set := kadm.TopicsSet{}
	set.Add(t.session.sink.cfg.ProgressTopic, 0)
	for at, last := range ends {
		if was, known := t.ends[at]; last >= 0 && (!known || was != last) {
			set.Add(at.topic, at.partition)
		}
	}
	return set
}

// settle waits until all events of the transaction are acknowledged, because the progress record tells their offsets. It
// reports false when the session has failed; the watch does that where no acknowledgement comes.
func (t *transactor) settle() bool {
	e := t.session
	flushed := make(chan error, 1)
	e.loop.Go(func() { flushed <- e.cl.Flush(e.ctx) })
	sign := time.NewTimer(max(signEvery-time.Since(t.signed), 0))
	defer sign.Stop()
	for {
		select {
		case err := <-flushed:
			// A record that failed has failed the session before Flush returned: no commit without it (invariant 8).
			return err == nil && e.ctx.Err() == nil
		case <-sign.C:
			t.sign()
			sign.Reset(signEvery)
		}
	}
}

// sign tells those who stand by that this writer lives: with a progress record that repeats the committed position, in a
// transaction of its own, or in the one under way, whose last record comes later and counts.
func (t *transactor) sign() {
	e := t.session
	if e.ctx.Err() != nil {
		return
	}
	if !t.open {
		if err := t.claim(e.ctx, t.committed); err != nil {
			e.fail(err)
		}
		return
	}
	record, err := t.record(t.committed)
	if err != nil {
		e.fail(err)
		return
	}
	e.flights.Add(1)
	e.cl.Produce(e.ctx, record, func(_ *kgo.Record, err error) {
		if err != nil {
			e.fail(fmt.Errorf("writing progress to topic %s: %w", e.sink.cfg.ProgressTopic, err))
		}
		e.flights.Done()
	})
}

// seal ends the open transaction, which touched these partitions: a progress record with pos as its last record, then the
// commit.
func (t *transactor) seal(ctx context.Context, pos change.Position, touched kadm.TopicsSet) error {
	e := t.session
	timed, cancel := context.WithTimeout(ctx, e.sink.cfg.DeliveryTimeout)
	defer cancel()
	record, err := t.record(pos)
	if err != nil {
		return err
	}
	if err := produceNow(timed, e.cl, record); err != nil {
		return fmt.Errorf("writing progress to topic %s: %w", e.sink.cfg.ProgressTopic, e.because(ctx, timed, err))
	}
	if err := endTransaction(timed, e.cl, kgo.TryCommit, touched); err != nil {
		return fmt.Errorf("committing a transaction: %w", e.because(ctx, timed, err))
	}
	return nil
}

// produceNow has one record stored, without linger. Unlike the client's own ProduceSync it returns when ctx ends: that
// waits for the answer to what is on its way.
func produceNow(ctx context.Context, cl *kgo.Client, record *kgo.Record) error {
	acked := make(chan error, 1)
	cl.Produce(ctx, record, func(_ *kgo.Record, err error) { acked <- err })
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	return <-acked // called before Flush returned
}

func (t *transactor) record(pos change.Position) (*kgo.Record, error) {
	t.commits++
	t.signed = time.Now()
	return t.session.progressRecord(pos, t.commits)
}

// because is err, or what ended the wait for Kafka: the caller, or the timeout below it.
func (e *session) because(caller, timed context.Context, err error) error {
	switch {
	case caller.Err() != nil:
		return fmt.Errorf("%w: %w", context.Cause(caller), err)
	case timed.Err() != nil:
		return e.late()
	default:
		return err
	}
}
