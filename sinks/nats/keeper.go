package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// bucketName is the key-value bucket that keeps, per stream, the position for the time after the stream's last message
// was removed by a purge or by its age.
const bucketName = "keyfeed"

// keepInterval is how often the bucket is written, also while nothing moves: that is the writer's sign of life, which
// must come every 5 s at least (see [sinks.Stander]).
const keepInterval = 3 * time.Second

// mark says what a stream holds up to a sequence: everything up to position, and skip events more. The Settings of position
// are those of the skipped events, and of what follows: see adopt.
type mark struct {
	sequence uint64
	position change.Position
	skip     uint64 // only where the position of the last event is not known, because it was removed
}

// kept is the value in the bucket, as JSON. Its key is the stream's name.
//
// With it the position can be told exactly after all messages were removed, from the sequence of the last one alone: each
// message after Sequence was an event (Control false), or none was (Control true). That takes an entry before and one
// after each message that is no event of the source's history: heartbeats of epochs, and those of the pump, which come
// when time has passed and would not come again at the same place.
type kept struct {
	Sequence uint64 `json:"sequence"`
	Position string `json:"position"`           // of everything up to Sequence, without Skip
	Settings string `json:"settings,omitempty"` // what cut and selected the events after Position; absent = not known
	Skip     uint64 `json:"skip,omitempty"`     // events up to Sequence that are stored beyond Position
	Control  bool   `json:"control,omitempty"`  // what follows Sequence are heartbeats
	Doubt    uint64 `json:"doubt,omitempty"`    // heartbeats that another writer may have put between the events that follow
	Instance string `json:"instance"`           // who wrote it
	Source   string `json:"source,omitempty"`   // whose events the stream holds; absent = not known
}

// keeper reads and writes the bucket. Each write expects the entry that was read or written before (invariant 9): one
// that comes late cannot replace a newer one.
type keeper struct {
	cfg      *Config
	conn     *natsgo.Conn
	denied   context.Context //nolint:containedctx // ends when the server denies the bucket
	entries  *messages
	instance string
	usable   bool   // false: the bucket is not there or denied, and positions stand in the stream only
	revision uint64 // of the entry that the next write replaces; 0 = none
	doubt    uint64 // goes into entries, see kept
}

var (
	errBucketDenied = errors.New("the server denies the bucket " + bucketName)
	errKeptByOther  = errors.New("the kept position was changed by another writer")
)

// newKeeper opens the bucket, and makes it when it is missing and create allows it. A bucket that is not to be had is no
// error: it is a help for one case. One that does not answer is, because what it holds would be outdated silently.
func newKeeper(ctx context.Context, s *session, create bool) (*keeper, error) {
	k := &keeper{
		cfg: s.cfg, conn: s.link.conn, denied: s.link.denied, instance: s.id.instance,
		entries: &messages{conn: s.link.conn, stream: "KV_" + bucketName, timeout: s.cfg.Timeout},
	}
	ctx, cancel := k.within(ctx)
	defer cancel()
	_, err := s.js.KeyValue(ctx, bucketName)
	refused := false
	if errors.Is(err, jetstream.ErrBucketNotFound) && create {
		_, err = s.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:      bucketName,
			Description: "positions of keyfeed, for streams whose last message was removed",
			Replicas:    s.cfg.Replicas,
		})
		_, refused = errors.AsType[jetstream.JetStreamError](err) // as by an account's limits
	}
	switch {
	case err == nil:
		k.usable = true
		return k, nil
	case errors.Is(err, jetstream.ErrBucketNotFound) || refused || k.denied.Err() != nil:
		k.giveUp(err)
		return k, nil
	default:
		return nil, classify(fmt.Errorf("opening bucket %s: %w", bucketName, err))
	}
}

func (k *keeper) giveUp(err error) {
	k.usable = false
	k.cfg.Logger.Warn("positions are kept in the stream only: a purge of the whole stream would lose them",
		"bucket", bucketName, "error", err)
}

// within bounds one exchange with the bucket. It ends at once when the server denies it, which it tells beside.
func (k *keeper) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, abort := context.WithCancelCause(ctx)
	stop := context.AfterFunc(k.denied, func() { abort(errBucketDenied) })
	ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	return ctx, func() { stop(); cancel(); abort(nil) }
}

// load returns what is kept; nil when nothing is.
func (k *keeper) load(ctx context.Context) (*kept, error) {
	if !k.usable {
		return nil, nil //nolint:nilnil // documented
	}
	ctx, cancel := k.within(ctx)
	defer cancel()
	m, err := k.entries.last(ctx, k.subject())
	if k.denied.Err() != nil {
		k.giveUp(errBucketDenied)
		return nil, nil //nolint:nilnil // documented
	}
	if err != nil {
		return nil, fmt.Errorf("reading bucket %s: %w", bucketName, err)
	}
	if m == nil {
		k.revision = 0
		return nil, nil //nolint:nilnil // documented
	}
	k.revision = m.sequence
	if len(m.data) == 0 { // deleted by an operator
		return nil, nil //nolint:nilnil // documented
	}
	saved := &kept{}
	if err := json.Unmarshal(m.data, saved); err != nil {
		return nil, configError("key %s of bucket %s: %w; delete it", k.cfg.Stream, bucketName, err)
	}
	k.doubt = saved.Doubt
	return saved, nil
}

// checkSource refuses the entry of another source.
func (k *keeper) checkSource(saved *kept) error {
	if saved == nil {
		return nil
	}
	return checkSource(k.cfg, saved.Source, "its entry in bucket "+bucketName)
}

// save writes an entry in place of the one read or written before. It gives errKeptByOther when that is not the newest.
func (k *keeper) save(ctx context.Context, m mark, control bool) error {
	if !k.usable {
		return nil
	}
	value, err := json.Marshal(kept{
		Sequence: m.sequence, Position: m.position.String(), Settings: m.position.Settings, Skip: m.skip, Control: control, Doubt: k.doubt, Instance: k.instance, Source: k.cfg.Source,
	})
	if err != nil {
		return fmt.Errorf("writing bucket %s: %w", bucketName, err)
	}
	ctx, cancel := k.within(ctx)
	defer cancel()
	msg := natsgo.NewMsg(k.subject())
	msg.Data = value
	if k.revision > 0 { // an expected 0 would be true again after a purge of the bucket
		msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(k.revision, 10))
	}
	reply, err := k.conn.RequestMsgWithContext(ctx, msg)
	if k.denied.Err() != nil {
		k.giveUp(errBucketDenied)
		return nil
	}
	if err != nil {
		return classify(fmt.Errorf("writing bucket %s: %w", bucketName, err))
	}
	revision, err := parseReply(reply, k.entries.stream)
	if isWrongSequence(err) {
		return fmt.Errorf("writing bucket %s: %w", bucketName, errKeptByOther)
	}
	if err != nil {
		return fmt.Errorf("writing bucket %s: %w", bucketName, err)
	}
	k.revision = revision
	return nil
}

func (k *keeper) subject() string { return "$KV." + bucketName + "." + k.cfg.Stream }

// complete finds the position of a stream whose last event cannot be read. last is the stream's last sequence.
func (k *keeper) complete(ctx context.Context, at tail, last uint64) (tail, error) {
	saved, err := k.load(ctx)
	if err != nil {
		return at, err
	}
	behind := saved != nil && saved.Sequence > last
	if behind {
		// What the stream holds counts, because its last event tells its own position: what comes after that is sent again
		// where it is still on disk or the source still has it, and KEYFEED_ON_SINK_LOSS decides where not.
		k.cfg.Logger.Error("the stream ends before what was confirmed: it was replaced or restored, or its server lost its last seconds",
			"stream", k.cfg.Stream, "last_sequence", last, "confirmed_sequence", saved.Sequence, "confirmed_position", saved.Position)
	}
	if at.gone {
		if err := k.checkSource(saved); err != nil {
			return at, err
		}
	}
	switch {
	case !at.gone:
		if saved != nil && !at.position.IsZero() && !at.position.InUnit() {
			at.position.Settings = saved.Settings // what follows is expected to be the same; adopt corrects that
		}
		return at, nil
	case saved == nil, behind:
		return at, fmt.Errorf("%w: %w: message %d, the last event of stream %s, was removed by a purge or by its age, "+
			"and the position with it; set KEYFEED_ON_SINK_LOSS=resync to publish everything anew",
			sinks.ErrConfig, sinks.ErrLost, at.sequence, k.cfg.Stream)
	}
	if at.position, err = change.ParsePosition(saved.Position); err != nil {
		return at, configError("key %s of bucket %s holds no position; delete it", k.cfg.Stream, bucketName)
	}
	at.position.Settings, at.skip = saved.Settings, saved.Skip
	if !saved.Control && at.sequence > saved.Sequence {
		events := at.sequence - saved.Sequence
		at.skip += events - min(events, saved.Doubt) // rather one twice than one lost
	}
	k.cfg.Logger.Warn("the end of the stream was removed; going on from the kept position",
		"stream", k.cfg.Stream, "position", saved.Position, "events_skipped", at.skip)
	return at, nil
}
