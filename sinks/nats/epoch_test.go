package nats_test

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"keyfeed/docs"
	"keyfeed/internal/change"
	keyfeednats "keyfeed/sinks/nats"
)

// TestEpochHeartbeatIsAnEvent begins epochs before the first event, after one and inside a snapshot: each heartbeat is a
// valid event, its id is before that of every event, and the position stays what it was.
func TestEpochHeartbeatIsAnEvent(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(docs.EventsSchema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("events.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	srv := newServer(t, nil)
	cfg := srv.config()
	inside := at(9)
	inside.Count, inside.Spool = 3, "a1b2"
	wants := []change.Position{{}, {}, at(1), at(1), inside, inside}
	for i, want := range wants {
		s, pos, err := open(t, cfg)
		if err != nil || pos != want {
			t.Fatalf("Open = %v, %v, want %v", pos, err, want)
		}
		if i%2 == 1 && i+1 < len(wants) {
			record := records(1, 1)
			record[0].Pos = wants[i+1]
			if err := s.Write(t.Context(), &change.Batch{Records: record}); err != nil {
				t.Fatal(err)
			}
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
	}
	epochs := 0
	err = keyfeednats.Read(t.Context(), cfg, keyfeednats.All().ToEnd(), func(r *keyfeednats.Record) error {
		if r.Subject != "keyfeed.redis._ctl.epoch" {
			return nil
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(r.Value)))
		if err == nil {
			err = schema.Validate(value)
		}
		if err != nil {
			t.Errorf("%s: %v", r.Value, err)
		}
		if !strings.Contains(string(r.Value), `"position":"`+wants[epochs].String()+`"`) ||
			!strings.HasPrefix(string(r.Value), `{"v":1,"id":"0000000000:00000000000000000000:heartbeat:`) {
			t.Errorf("heartbeat %d is %s, want position %v", epochs, r.Value, wants[epochs])
		}
		epochs++
		return nil
	})
	if err != nil || epochs != len(wants) {
		t.Errorf("read %d heartbeats, %v, want %d", epochs, err, len(wants))
	}
}

// TestLookDoesNotFence looks at a stream while a sink writes to it.
func TestLookDoesNotFence(t *testing.T) {
	srv := newServer(t, nil)
	s := mustOpen(t, srv.config(), 0)
	put(t, s, 1, 5)
	cfg := srv.config()
	cfg.CreateStream = false
	looker, err := keyfeednats.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer looker.Close()
	pos, about, err := looker.Look(t.Context())
	if err != nil || pos != at(5) || !strings.Contains(about, "KEYFEED_redis") {
		t.Errorf("Look = %v, %q, %v, want %v", pos, about, err, at(5))
	}
	put(t, s, 6, 9)
	wantOffsets(t, cfg, 1, 9)
}
