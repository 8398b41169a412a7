package tail_test

import (
	"strings"
	"testing"

	"keyfeed/internal/tail"
)

func TestFormat(t *testing.T) {
	tests := []struct {
		name string
		raw  string
		want []string // in this order
	}{
		{
			"read", `{"v":1,"id":"1:2:3","op":"r","db":0,"key":"user:1","type":"string","value":"Ada Byron","expire_at_ms":1795311158000,"snapshot":"true","ts_ms":1,"source":{"gen":1}}`,
			[]string{"db0", "read", "string", "user:1", `"Ada Byron"`, "expires 2026-11-22T"},
		},
		{
			"update in a transaction", `{"v":1,"id":"1:2:3","op":"u","db":4,"key":"hits","type":"string","effect":"delta","cmd":"INCRBY","args":["5"],"txn":{"id":"1:2","seq":1,"size":3,"last":false},"ts_ms":1,"source":{}}`,
			[]string{"db4", "update", "string", "hits", "INCRBY 5", "txn 2/3"},
		},
		{
			"binary key", `{"v":1,"op":"d","db":0,"key":"/wA=","key_enc":"base64","cmd":"DEL","args":[],"ts_ms":1,"source":{}}`,
			[]string{"delete", `"\xff\x00"`, "DEL"},
		},
		{
			"snapshot end", `{"v":1,"op":"m","kind":"snapshot_end","keys":12,"events":14,"ts_ms":1,"source":{}}`,
			[]string{"snapshot ends: 12 keys, 14 events"},
		},
		{
			"copy to another database", `{"v":1,"op":"c","db":1,"key":"k","key_db":3,"keys":["k"],"cmd":"COPY","args":["j","k","DB","3"],"ts_ms":1,"source":{}}`,
			[]string{"db3", "create", "k", "COPY j k DB 3"},
		},
		{
			"oversize", `{"v":1,"op":"u","db":0,"key":"k","cmd":"XADD","omitted":{"bytes":99,"sha256":"00"},"cause":"oversize","ts_ms":1,"source":{}}`,
			[]string{"update", "(99 bytes left out)"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tail.Format([]byte(tt.raw), 0)
			if err != nil {
				t.Fatal(err)
			}
			rest := got
			for _, w := range tt.want {
				_, after, ok := strings.Cut(rest, w)
				if !ok {
					t.Fatalf("line %q lacks %q (in this order: %q)", got, w, tt.want)
				}
				rest = after
			}
			if strings.ContainsAny(got, "\n\x00") {
				t.Errorf("line %q has control bytes", got)
			}
		})
	}
}

func TestFormatRefusesWhatIsNoEvent(t *testing.T) {
	if _, err := tail.Format([]byte("{"), 0); err == nil {
		t.Error("no error for broken JSON")
	}
}

func TestFormatCutsLongValues(t *testing.T) {
	raw := `{"op":"r","key":"k","type":"string","value":"` + strings.Repeat("é", 5000) + `","ts_ms":1,"source":{}}`
	got, err := tail.Format([]byte(raw), 60)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) > 250 {
		t.Errorf("line of %d bytes", len(got))
	}
}
