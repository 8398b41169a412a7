package replay

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrEvent is wrapped by every error about a line that is not an event of version 1.
var ErrEvent = errors.New("not an event")

// Event is one event as it stands in the JSON; see docs/events.md for the fields. Byte strings of args, keys and value
// are as encoded: [Event.Bytes] decodes them.
type Event struct {
	V             int              `json:"v"`
	ID            string           `json:"id"`
	Op            string           `json:"op"`
	Kind          string           `json:"kind"`
	DB            *int             `json:"db"`
	Key           *string          `json:"key"`
	KeyEnc        string           `json:"key_enc"`
	KeyDB         *int             `json:"key_db"`
	Type          string           `json:"type"`
	Effect        string           `json:"effect"`
	Cmd           string           `json:"cmd"`
	Args          []string         `json:"args"`
	Keys          KeyList          `json:"keys"`
	Value         json.RawMessage  `json:"value"`
	ExpireAtMs    *int64           `json:"expire_at_ms"`
	FieldExpireMs map[string]int64 `json:"field_expire_at_ms"`
	Enc           string           `json:"enc"`
	Part          *Part            `json:"part"`
	Omitted       *Omitted         `json:"omitted"`
	Txn           *Txn             `json:"txn"`
	Cause         string           `json:"cause"`
	Snapshot      string           `json:"snapshot"`
	TsMs          int64            `json:"ts_ms"`
	Source        Source           `json:"source"`
}

// KeyList is the field keys of a stream event. Messages use the same name for a count of keys, which is not kept.
type KeyList []string

// UnmarshalJSON reads an array of strings; of a number it makes nil.
func (k *KeyList) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '[' {
		var n int64
		return json.Unmarshal(b, &n)
	}
	return json.Unmarshal(b, (*[]string)(k))
}

// Part numbers the events of one big value.
type Part struct {
	I    int64 `json:"i"`
	Last bool  `json:"last"`
}

// Omitted describes what was too large for an event.
type Omitted struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Txn places an event in its MULTI block.
type Txn struct {
	ID   string `json:"id"`
	Seq  int64  `json:"seq"`
	Size int64  `json:"size"`
	Last bool   `json:"last"`
}

// Source is where the event stands in the source's stream.
type Source struct {
	Name   string `json:"name"`
	Gen    uint64 `json:"gen"`
	Offset int64  `json:"offset"`
	Seq    int64  `json:"seq"`
	N      int64  `json:"n"`
}

// Parse reads one event. Every error wraps [ErrEvent].
func Parse(line []byte) (*Event, error) {
	if !utf8.Valid(line) {
		return nil, fmt.Errorf("%w: bytes that are not UTF-8", ErrEvent)
	}
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	switch {
	case e.V != 1:
		return nil, fmt.Errorf("%w: version %d, want 1", ErrEvent, e.V)
	case e.ID == "":
		return nil, fmt.Errorf("%w: no id", ErrEvent)
	case e.Enc != "" && e.Enc != "base64", e.KeyEnc != "" && e.KeyEnc != "base64":
		return nil, fmt.Errorf("%w: %s: unknown encoding", ErrEvent, e.ID)
	}
	return &e, nil
}

// KeyBytes is the key as the source has it; ok is false when the event has none.
func (e *Event) KeyBytes() (key []byte, ok bool, err error) {
	if e.Key == nil {
		return nil, false, nil
	}
	if e.KeyEnc == "" {
		return []byte(*e.Key), true, nil
	}
	key, err = base64.StdEncoding.DecodeString(*e.Key)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %s: key: %w", ErrEvent, e.ID, err)
	}
	return key, true, nil
}

// Bytes decodes a byte string of args, keys or value.
func (e *Event) Bytes(s string) ([]byte, error) {
	if e.Enc == "" {
		return []byte(s), nil
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrEvent, e.ID, err)
	}
	return b, nil
}

// ArgBytes decodes all of args.
func (e *Event) ArgBytes() ([][]byte, error) {
	out := make([][]byte, 0, len(e.Args))
	for _, a := range e.Args {
		b, err := e.Bytes(a)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
