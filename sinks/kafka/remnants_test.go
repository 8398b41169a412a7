package kafka_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"keyfeed/internal/testenv/kafkaenv"
	"keyfeed/sinks/kafka"
)

// What becomes of the records that leave adds.
const (
	endCommit = "commit"
	endAbort  = "abort"
	endNone   = "none"
	endAbsent = "absent" // there are none
)

// testRemnants makes transactions that hang in some of their partitions, as a broker leaves them that was killed between a
// decision and its markers: of the events 100 to 109 each partition holds its own, with a marker that commits them, with one
// that aborts them, or with none; and so does the progress topic with the record that says 110. The next Open takes them for
// committed or for aborted, all alike, and goes on there.
func testRemnants(t *testing.T, srv *kafkaenv.Server) {
	t.Helper()
	allowStrayRecords(t, srv)
	for i, tt := range []struct {
		name, zero, one, progress string
		want                      int
	}{
		{"committed but in one partition", endNone, endCommit, endCommit, 110},
		{"committed but in both partitions", endNone, endNone, endCommit, 110},
		{"committed but in the progress topic", endCommit, endCommit, endNone, 110},
		{"committed in one partition only", endCommit, endNone, endNone, 110},
		{"aborted but in the progress topic", endAbort, endAbort, endNone, 100},
		{"aborted in one partition only", endNone, endAbort, endNone, 100},
		{"aborted but in one partition", endNone, endAbort, endAbort, 100},
		{"undecided", endNone, endNone, endNone, 100},
		{"without a progress record", endNone, endNone, endAbsent, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRemains(t, srv, fmt.Sprint("remains", i))
			for partition, end := range []string{tt.zero, tt.one} {
				r.leave(r.topic, int32(partition), end, r.eventsOf(int32(partition)))
			}
			if tt.progress != endAbsent {
				r.leave(r.cfg.ProgressTopic, 0, tt.progress, r.progressAt(110))
			}
			s := opened(t, r.cfg)
			if got := s.Confirmed(); got != posAt(int64(tt.want)) {
				t.Fatalf("the position is %v, want %v", got, posAt(int64(tt.want)))
			}
			mustWrite(t, s, events(tt.want, 120))
			mustFlush(t, s)
			wantCommittedOnce(t, r.cfg, 120)
		})
	}
}

// allowStrayRecords makes the brokers take records of a transaction that its coordinator does not know, for this test.
func allowStrayRecords(t *testing.T, srv *kafkaenv.Server) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(srv.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	adm := kadm.NewClient(cl)
	set := func(op kadm.IncrementalOp) {
		ctx, cancel := context.WithTimeout(context.Background(), patience) // the test's has ended when it is undone
		defer cancel()
		answers, err := adm.AlterBrokerConfigs(ctx, []kadm.AlterConfig{{
			Op: op, Name: "transaction.partition.verification.enable", Value: new("false"),
		}})
		if err == nil {
			_, err = answers.On("", func(r *kadm.AlterConfigsResponse) error { return r.Err })
		}
		if err != nil {
			t.Errorf("changing the brokers' settings: %v", err)
		}
	}
	set(kadm.SetConfig)
	t.Cleanup(func() {
		set(kadm.DeleteConfig)
		cl.Close()
	})
}

// remains is a source with 100 events in two partitions, to which more are added behind the coordinator's back.
type remains struct {
	t        *testing.T
	cfg      kafka.Config
	topic    string
	cl       *kgo.Client
	adm      *kadm.Client
	producer int64
	of       map[string]int32 // partition by key
	ends     []int64          // offset of the last event by partition
}

func newRemains(t *testing.T, srv *kafkaenv.Server, source string) *remains {
	t.Helper()
	cfg := config(source, srv.Addr())
	cfg.Partitions, cfg.ProgressTopic = 2, "progress."+source
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 100))
	mustFlush(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kmsg.Produce.Int16(), 11) // newer ones tell the coordinator of the partition
	r := &remains{
		t: t, cfg: cfg, topic: "keyfeed." + source, cl: client(t, cfg, kgo.MaxVersions(versions), kgo.RecordPartitioner(kgo.ManualPartitioner())),
		of: map[string]int32{}, ends: make([]int64, 2),
	}
	r.adm = kadm.NewClient(r.cl)
	for partition, records := range committed(t, cfg, r.topic) {
		for _, rec := range records {
			r.of[string(rec.Key)], r.ends[partition] = partition, rec.Offset
		}
	}
	id := "keyfeed-" + source + "@" + cfg.ProgressTopic
	described, err := r.adm.DescribeTransactions(within(t), id)
	if err == nil {
		_, err = described.On(id, func(d *kadm.DescribedTransaction) error {
			r.producer = d.ProducerID
			return d.Err
		})
	}
	if err != nil {
		t.Fatalf("asking for the producer: %v", err)
	}
	return r
}

// eventsOf are those of the events 100 to 109 that belong to a partition.
func (r *remains) eventsOf(partition int32) (out []kmsg.Record) {
	for _, e := range events(100, 110).Records {
		if r.of[string(e.Key)] == partition {
			out = append(out, kmsg.Record{Key: e.Key, Value: e.Value})
		}
	}
	return out
}

// progressAt is the newest progress record, with another position, and where the partitions end now.
func (r *remains) progressAt(offset int64) []kmsg.Record {
	r.t.Helper()
	stored := committed(r.t, r.cfg, r.cfg.ProgressTopic)[0]
	var p map[string]any
	if err := json.Unmarshal(stored[len(stored)-1].Value, &p); err != nil {
		r.t.Fatal(err)
	}
	p["position"] = posAt(offset).String()
	p["topics"].([]any)[0].(map[string]any)["last"] = r.ends
	value, err := json.Marshal(p)
	if err != nil {
		r.t.Fatal(err)
	}
	return []kmsg.Record{{Key: []byte(r.cfg.Source), Value: value}}
}

// leave adds records to a partition, in the way that end says.
func (r *remains) leave(topic string, partition int32, end string, records []kmsg.Record) {
	r.t.Helper()
	if len(records) == 0 {
		r.t.Fatalf("partition %d would get no record", partition)
	}
	var last int64
	if end == endCommit { // as if its transaction were committed
		for _, rec := range records {
			stored := &kgo.Record{Topic: topic, Partition: partition, Key: rec.Key, Value: rec.Value}
			if err := r.cl.ProduceSync(within(r.t), stored).FirstErr(); err != nil {
				r.t.Fatal(err)
			}
			last = stored.Offset
		}
	} else {
		state := r.state(topic, partition)
		last = r.produce(topic, partition, &state, records)
		if end == endAbort {
			r.abort(topic, partition, &state)
		}
	}
	if topic == r.topic {
		r.ends[partition] = last
	}
}

// state is what a partition knows of the producer.
func (r *remains) state(topic string, partition int32) (out kadm.DescribedProducer) {
	r.t.Helper()
	set := kadm.TopicsSet{}
	set.Add(topic, partition)
	described, err := r.adm.DescribeProducers(within(r.t), set)
	if err != nil {
		r.t.Fatal(err)
	}
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.ProducerID == r.producer {
			out = p
		}
	})
	if out.ProducerID != r.producer || out.CurrentTxnStartOffset >= 0 {
		r.t.Fatalf("partition %d of topic %s has the producer %+v", partition, topic, out)
	}
	return out
}

// produce stores the records in a transaction, of which only the partition gets to know, and returns the offset of the last.
func (r *remains) produce(topic string, partition int32, as *kadm.DescribedProducer, records []kmsg.Record) int64 {
	r.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	id := "keyfeed-" + r.cfg.Source + "@" + r.cfg.ProgressTopic
	req.TransactionID, req.Acks, req.TimeoutMillis = &id, -1, 5000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, transactionalBatch(as, records)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	answer, err := r.cl.Broker(1).Request(within(r.t), req)
	if err != nil {
		r.t.Fatal(err)
	}
	got := answer.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		r.t.Fatalf("producing to partition %d of topic %s as %+v: %v", partition, topic, as, err)
	}
	return got.BaseOffset + int64(len(records)) - 1
}

func (r *remains) abort(topic string, partition int32, as *kadm.DescribedProducer) {
	r.t.Helper()
	marker := kadm.TxnMarkers{
		ProducerID: as.ProducerID, ProducerEpoch: as.ProducerEpoch, CoordinatorEpoch: max(as.CoordinatorEpoch, 0), Topics: kadm.TopicsSet{},
	}
	marker.Topics.Add(topic, partition)
	answers, err := r.adm.WriteTxnMarkers(within(r.t), marker)
	if err == nil {
		err = answers[as.ProducerID].Topics[topic].Partitions[partition].Err
	}
	if err != nil {
		r.t.Fatalf("writing a marker: %v", err)
	}
}

// transactionalBatch is a record batch, version 2, as the producer's next one in the partition. (Apache Kafka,
// documentation, Message Format.)
func transactionalBatch(as *kadm.DescribedProducer, records []kmsg.Record) []byte {
	const crcAt, behindLength = 17, 12
	var body []byte
	for i := range records {
		rec := records[i]
		rec.OffsetDelta = int32(i)
		rec.Length = int32(len(rec.AppendTo(nil)) - 1) // less its own varint, one byte while the length is 0
		body = rec.AppendTo(body)
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: 0x10, LastOffsetDelta: int32(len(records) - 1),
		ProducerID: as.ProducerID, ProducerEpoch: as.ProducerEpoch, FirstSequence: as.LastSequence + 1,
		NumRecords: int32(len(records)), Records: body,
	}
	out := b.AppendTo(nil)
	binary.BigEndian.PutUint32(out[8:], uint32(len(out)-behindLength))
	binary.BigEndian.PutUint32(out[crcAt:], crc32.Checksum(out[crcAt+4:], crc32.MakeTable(crc32.Castagnoli)))
	return out
}
