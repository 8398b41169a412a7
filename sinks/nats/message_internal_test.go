package nats

import (
	"encoding/json"
	"errors"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

func TestParseReply(t *testing.T) {
	tests := []struct {
		name string
		data string
		want uint64
		err  error // nil = none; errAny = some that a retry may heal
	}{
		{"plain", `{"stream":"S", "seq":42}`, 42, nil},
		{"without space", `{"stream":"S","seq":18446744073709551615}`, 18446744073709551615, nil},
		{"domain", `{"stream":"S", "domain":"hub", "seq":7}`, 7, nil},
		{"duplicate", `{"stream":"S", "seq":7,"duplicate": true}`, 7, nil},
		{"other stream", `{"stream":"T", "seq":7}`, 0, sinks.ErrConfig},
		{"longer name", `{"stream":"S2", "seq":7}`, 0, sinks.ErrConfig},
		{"wrong last sequence", `{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"},"stream":"S","seq":0}`, 0, errAny},
		{"full", `{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"S","seq":0}`, 0, sinks.ErrFull},
		{"too large", `{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"},"stream":"S","seq":0}`, 0, sinks.ErrTooLarge},
		{"sealed", `{"error":{"code":400,"err_code":10109,"description":"invalid operation on sealed stream"},"stream":"S","seq":0}`, 0, sinks.ErrConfig},
		{"garbage", `{"stream":"S", "seq":`, 0, errAny},
		{"empty", ``, 0, errAny},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseReply(&natsgo.Msg{Data: []byte(tt.data)}, "S")
			switch {
			case tt.err == nil && (err != nil || got != tt.want):
				t.Errorf("got %d, %v, want %d", got, err, tt.want)
			case errors.Is(tt.err, errAny) && (err == nil || errors.Is(err, sinks.ErrConfig)):
				t.Errorf("got %v, want an error that a retry may heal", err)
			case tt.err != nil && !errors.Is(tt.err, errAny) && !errors.Is(err, tt.err):
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
}

var errAny = errors.New("any")

func TestParseReplyNoResponders(t *testing.T) {
	_, err := parseReply(&natsgo.Msg{Header: natsgo.Header{"Status": {"503"}}}, "S")
	if !errors.Is(err, natsgo.ErrNoResponders) || errors.Is(err, sinks.ErrConfig) {
		t.Errorf("got %v, want ErrNoResponders", err)
	}
}

func TestParsePlainReplyDoesNotAllocate(t *testing.T) {
	data := []byte(`{"stream":"KEYFEED_redis", "seq":123456789}`)
	m := &natsgo.Msg{Data: data}
	if n := testing.AllocsPerRun(100, func() {
		if got, err := parseReply(m, "KEYFEED_redis"); got != 123456789 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
	}); n != 0 {
		t.Errorf("an acknowledgement allocates %v times", n)
	}
}

// FuzzParsePlainReply holds the quick reader to what encoding/json reads.
func FuzzParsePlainReply(f *testing.F) {
	f.Add([]byte(`{"stream":"S", "seq":42}`))
	f.Add([]byte(`{"stream":"S","seq":042}`))
	f.Add([]byte(`{"stream":"S", "seq":9999999999999999999}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		quick, ok := parsePlainReply(data, "S")
		if !ok {
			return
		}
		var slow struct {
			Stream string `json:"stream"`
			Seq    uint64 `json:"seq"`
		}
		if err := json.Unmarshal(data, &slow); err != nil || slow.Seq != quick || slow.Stream != "S" {
			t.Errorf("%q gave %d, encoding/json reads %+v, %v", data, quick, slow, err)
		}
	})
}

func TestMessageHeaders(t *testing.T) {
	w := newWriter(mustParse(t, DefaultSubject))
	pos := change.Position{
		Gen: 5, Offset: 77, DB: 1, ReplID: "0123456789abcdef0123456789abcdef01234567", Count: 3, Settings: "1:9223372036854775807:bp:0123456789abcdef",
	}
	m := w.message(&change.Record{Value: []byte("v"), Key: []byte("k"), DB: 1, Pos: pos}, 41, "reply")
	if got := m.Header.Get("keyfeed-pos"); got != pos.String() {
		t.Errorf("keyfeed-pos is %q, want %q", got, pos)
	}
	if got := m.Header.Get("Nats-Expected-Last-Sequence"); got != "41" {
		t.Errorf("Nats-Expected-Last-Sequence is %q, want 41", got)
	}
	if m.Reply != "reply" || string(m.Data) != "v" {
		t.Errorf("message is %+v", m)
	}
	if got := m.Header.Get("keyfeed-settings"); got != pos.Settings {
		t.Errorf("keyfeed-settings is %q inside a unit, want %q", got, pos.Settings)
	}
	between := change.Record{Pos: pos}
	between.Pos.Count = 0
	if got := w.message(&between, 41, "reply").Header.Values("keyfeed-settings"); got != nil {
		t.Errorf("keyfeed-settings is %q between units, want none", got)
	}
	longest := pos
	longest.Gen, longest.Offset, longest.DB, longest.Count = 1<<63, 1<<62, 1<<31-1, 1<<62
	longest.Spool = string(make([]byte, 64))
	names := len("NATS/1.0\r\nkeyfeed-pos: \r\nkeyfeed-settings: \r\nNats-Expected-Last-Sequence: 18446744073709551615\r\n\r\n")
	if got := len(longest.String()) + len(longest.Settings) + names; got > headerAllowance {
		t.Errorf("headers may take %d bytes, headerAllowance is %d", got, headerAllowance)
	}
}
