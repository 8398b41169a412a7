package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keyfeed/internal/config"
	"keyfeed/internal/event"
)

func load(t *testing.T, environ ...string) config.Config {
	t.Helper()
	c, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := load(t, "HOME=/root", "PATH=/bin")
	if c.Source.URL.Reveal() != "redis://127.0.0.1:6379" || c.Source.Name != "redis" || c.Sink != config.SinkNATS ||
		c.NATS.URL.Reveal() != config.NATSEmbedded || c.DataDir != "./data" || c.Source.Ack != config.AckDurable ||
		c.HTTPAddr != ":9622" || c.ShutdownTimeout != 25*time.Second || c.Event.MaxBytes != 900<<10 ||
		c.Backlog.Retain != 5*time.Minute || c.Backlog.RetainBytes != 256<<20 || c.Backlog.MaxBytes != 0 {
		t.Errorf("defaults: %+v", c)
	}
	if w := c.Warnings(); w != nil {
		t.Errorf("warnings: %v", w)
	}
}

// The defaults and examples are held against the rules by giving all of them.
func TestDefaultsAndExamplesAreValid(t *testing.T) {
	for line := range strings.Lines(string(config.EnvExample())) {
		line = strings.TrimSpace(line)
		setting, ok := strings.CutPrefix(line, "# e.g. ")
		if !ok {
			if setting, ok = strings.CutPrefix(line, "#KEYFEED_"); !ok {
				continue
			}
			setting = "KEYFEED_" + setting
		}
		environ := []string{setting, "KEYFEED_SINK=stdout"}
		name, _, _ := strings.Cut(setting, "=")
		switch {
		case name == "KEYFEED_SINK":
			environ = environ[:1]
		case strings.HasPrefix(name, "KEYFEED_SOURCE_TLS_"), strings.HasSuffix(name, "CREDS_FILE"):
			continue // they name files: see TestTLS and TestBadSettings
		case name == "KEYFEED_SOURCE_USERNAME", name == "KEYFEED_TARGET_USERNAME":
			environ = append(environ, strings.Replace(name, "USERNAME", "PASSWORD=x", 1))
		}
		if _, err := config.Load(environ); err != nil {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

func TestEventMaxBytesIsWhatEventsTake(t *testing.T) {
	load(t, fmt.Sprintf("KEYFEED_EVENT_MAX_BYTES=%dB", event.MinMaxBytes))
	if _, err := config.Load([]string{fmt.Sprintf("KEYFEED_EVENT_MAX_BYTES=%dB", event.MinMaxBytes-1)}); err == nil {
		t.Error("less than event.MinMaxBytes is taken")
	}
}

func TestValues(t *testing.T) {
	c := load(
		t,
		"KEYFEED_SOURCE_URL=rediss://db.example:6380", "KEYFEED_SOURCE_PASSWORD=p=w $HOME",
		"KEYFEED_SINK=kafka", "KEYFEED_KAFKA_BROKERS=a:1, b:2", "KEYFEED_KAFKA_PARTITIONS=12",
		"KEYFEED_KAFKA_SASL_MECHANISM=plain", "KEYFEED_KAFKA_SASL_USERNAME=u", "KEYFEED_KAFKA_SASL_PASSWORD=s",
		"KEYFEED_BACKLOG_MAX_BYTES=16GiB", "KEYFEED_EVENT_PUBLISH=true", "KEYFEED_FILTER_DBS=0,3",
		"KEYFEED_SOURCE_ANNOUNCE=-1", "KEYFEED_SHUTDOWN_TIMEOUT=0s",
	)
	if c.Source.Password.Reveal() != "p=w $HOME" || c.Kafka.Brokers.String() != "a:1,b:2" || c.Kafka.Partitions != 12 ||
		c.Backlog.MaxBytes != 16<<30 || !c.Event.Publish || c.Filter.DBs.String() != "0,3" || c.ShutdownTimeout != 0 {
		t.Errorf("%+v", c)
	}
}

func TestMemory(t *testing.T) {
	c := load(t, "KEYFEED_DATA_DIR=memory", "KEYFEED_SINK=stdout")
	if !c.InMemory() || c.Source.Ack != config.AckPublished || c.Backlog.MaxBytes != 256<<20 || c.SpoolMaxBytes != 256<<20 {
		t.Errorf("%+v", c)
	}
}

func TestWarnings(t *testing.T) {
	c := load(t, "KEYFEED_SINK=stdout", "KEYFEED_NATS_REPLICAS=3", "KEYFEED_KAFKA_TOPIC=x")
	want := "no effect with KEYFEED_SINK=stdout: KEYFEED_NATS_REPLICAS, KEYFEED_KAFKA_TOPIC"
	if w := c.Warnings(); len(w) != 1 || w[0] != want {
		t.Errorf("warnings: %q, want %q", w, want)
	}
}

func TestBadSettings(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		environ string // separated by spaces
		want    []string
	}{
		{"unknown", "KEYFEED_SNIK=kafka", []string{"KEYFEED_SNIK is not a setting: did you mean KEYFEED_SINK?"}},
		{"unknown, like a secret's file", "KEYFEED_SOURCE_PASWORD_FILE=/x", []string{"did you mean KEYFEED_SOURCE_PASSWORD_FILE?"}},
		{"unknown, like nothing", "KEYFEED_XYZZY=1", []string{"KEYFEED_XYZZY is not a setting; keyfeed config lists all settings"}},
		{"a file for what is no secret", "KEYFEED_SINK_FILE=/x", []string{"KEYFEED_SINK_FILE is not a setting"}},
		{"empty", "KEYFEED_SINK= KEYFEED_SOURCE_PASSWORD_FILE=", []string{
			"KEYFEED_SINK is set but empty", "KEYFEED_SOURCE_PASSWORD_FILE is set but empty",
		}},
		{"not of the list", "KEYFEED_SINK=redis", []string{"KEYFEED_SINK must be nats, kafka, stdout or discard"}},
		{"duration", "KEYFEED_HEARTBEAT_INTERVAL=5", []string{"KEYFEED_HEARTBEAT_INTERVAL must be a duration such as"}},
		{"short duration", "KEYFEED_BACKLOG_SYNC=1us", []string{"KEYFEED_BACKLOG_SYNC must be at least 1ms"}},
		{"long duration", "KEYFEED_BACKLOG_SYNC=2m", []string{"KEYFEED_BACKLOG_SYNC must be at most 1m"}},
		{"size", "KEYFEED_EVENT_MAX_BYTES=900K", []string{"KEYFEED_EVENT_MAX_BYTES must be a size such as"}},
		{"size without unit", "KEYFEED_EVENT_MAX_BYTES=900", []string{"KEYFEED_EVENT_MAX_BYTES must be a size such as"}},
		{"size beyond 63 bits", "KEYFEED_BACKLOG_MAX_BYTES=9000000TiB", []string{"must be a size such as"}},
		{"large size", "KEYFEED_EVENT_MAX_BYTES=65MiB", []string{"KEYFEED_EVENT_MAX_BYTES must be at most 64MiB"}},
		{"switch", "KEYFEED_EVENT_PUBLISH=maybe", []string{"KEYFEED_EVENT_PUBLISH must be true or false"}},
		{"number", "KEYFEED_NATS_REPLICAS=three", []string{"KEYFEED_NATS_REPLICAS must be a whole number"}},
		{"number out of bounds", "KEYFEED_NATS_REPLICAS=6", []string{"KEYFEED_NATS_REPLICAS must be at most 5"}},
		{"list", "KEYFEED_FILTER_KEYS_INCLUDE=a,,b", []string{"KEYFEED_FILTER_KEYS_INCLUDE has an empty entry"}},
		{"databases", "KEYFEED_FILTER_DBS=0,x", []string{"KEYFEED_FILTER_DBS must be numbers with commas"}},
		{"name", "KEYFEED_SOURCE_NAME=Redis.1", []string{"KEYFEED_SOURCE_NAME must be 1 to 48 of"}},
		{"address", "KEYFEED_HTTP_ADDR=9622", []string{"KEYFEED_HTTP_ADDR must be host:port or :port"}},
		{"brokers", "KEYFEED_SINK=kafka KEYFEED_KAFKA_BROKERS=a:1,b", []string{"KEYFEED_KAFKA_BROKERS must be host:port"}},
		{"announce", "KEYFEED_SOURCE_ANNOUNCE=host", []string{"KEYFEED_SOURCE_ANNOUNCE must be a port or host:port"}},
		{"creds", "KEYFEED_NATS_URL=nats://h KEYFEED_NATS_CREDS_FILE=/nowhere", []string{"KEYFEED_NATS_CREDS_FILE names a file that cannot be read"}},
		{"secret from nowhere", "KEYFEED_SOURCE_PASSWORD_FILE=/nowhere", []string{"KEYFEED_SOURCE_PASSWORD_FILE: reading the secret: open /nowhere"}},
		{"secret from an empty file", "KEYFEED_SOURCE_PASSWORD_FILE=" + empty, []string{"is empty"}},
		{"secret twice", "KEYFEED_SOURCE_PASSWORD=a KEYFEED_SOURCE_PASSWORD_FILE=" + empty, []string{"are both set: keep one"}},
		{"database in the URL", "KEYFEED_SOURCE_URL=redis://h/3", []string{"KEYFEED_SOURCE_URL: the source URL names a database"}},
		{"scheme of the URL", "KEYFEED_SOURCE_URL=http://h", []string{`KEYFEED_SOURCE_URL: the source URL has the scheme "http"`}},
		{"two users", "KEYFEED_SOURCE_URL=redis://u:p@h KEYFEED_SOURCE_PASSWORD=q", []string{"keep one"}},
		{"user without password", "KEYFEED_SOURCE_USERNAME=u", []string{"KEYFEED_SOURCE_USERNAME needs KEYFEED_SOURCE_PASSWORD"}},
		{"waits", "KEYFEED_SOURCE_RECONNECT_MIN=1m", []string{"KEYFEED_SOURCE_RECONNECT_MIN is more than"}},
		{"TLS on a plain URL", "KEYFEED_SOURCE_TLS_INSECURE=true", []string{"write rediss://"}},
		{"certificate without key", "KEYFEED_SOURCE_URL=rediss://h KEYFEED_SOURCE_TLS_CERT_FILE=/x", []string{"KEYFEED_SOURCE_TLS_CERT_FILE and KEY_FILE belong together"}},
		{"CA from nowhere", "KEYFEED_SOURCE_URL=rediss://h KEYFEED_SOURCE_TLS_CA_FILE=/nowhere", []string{"KEYFEED_SOURCE_TLS_CA_FILE: open /nowhere"}},
		{"no certificate", "KEYFEED_SOURCE_URL=rediss://h KEYFEED_SOURCE_TLS_CA_FILE=" + empty, []string{"holds no certificate in PEM form"}},
		{"two files of TLS", "KEYFEED_SOURCE_URL=rediss://h KEYFEED_SOURCE_TLS_CA_FILE=/nowhere KEYFEED_SOURCE_TLS_CERT_FILE=/x", []string{"KEYFEED_SOURCE_TLS_CA_FILE: open", "KEYFEED_SOURCE_TLS_CERT_FILE and KEY_FILE belong"}},
		{"unchecked CA", "KEYFEED_SINK=kafka KEYFEED_KAFKA_BROKERS=a:1 KEYFEED_KAFKA_TLS_INSECURE=true KEYFEED_KAFKA_TLS_CA_FILE=" + empty, []string{"has no effect: keep one"}},
		{"memory and durable", "KEYFEED_DATA_DIR=memory KEYFEED_SOURCE_ACK=durable KEYFEED_SINK=stdout", []string{"KEYFEED_SOURCE_ACK=durable needs a disk"}},
		{"memory and embedded", "KEYFEED_DATA_DIR=memory", []string{"KEYFEED_NATS_URL=embedded needs a disk"}},
		{"no brokers", "KEYFEED_SINK=kafka", []string{"KEYFEED_KAFKA_BROKERS is required for KEYFEED_SINK=kafka"}},
		{"SASL without mechanism", "KEYFEED_SINK=kafka KEYFEED_KAFKA_BROKERS=a:1 KEYFEED_KAFKA_SASL_USERNAME=u", []string{"need KEYFEED_KAFKA_SASL_MECHANISM"}},
		{"SASL without password", "KEYFEED_SINK=kafka KEYFEED_KAFKA_BROKERS=a:1 KEYFEED_KAFKA_SASL_USERNAME=u KEYFEED_KAFKA_SASL_MECHANISM=plain", []string{"KEYFEED_KAFKA_SASL_MECHANISM needs"}},
		{"two logins", "KEYFEED_NATS_URL=nats://h KEYFEED_NATS_TOKEN=a KEYFEED_NATS_NKEY_SEED=b", []string{"KEYFEED_NATS_NKEY_SEED, KEYFEED_NATS_TOKEN: set one way to log in"}},
		{"half a login", "KEYFEED_NATS_URL=nats://h KEYFEED_NATS_USERNAME=a", []string{"belong together: set both"}},
		{"a login to the embedded server", "KEYFEED_NATS_TOKEN=a", []string{"KEYFEED_NATS_URL=embedded takes no login"}},
		{"NATS URL", "KEYFEED_NATS_URL=nats://a,http://b", []string{"KEYFEED_NATS_URL must be embedded, or nats://"}},
		{"one address twice", "KEYFEED_HTTP_ADDR=127.0.0.1:4222", []string{"are the same address"}},
		{"retention", "KEYFEED_BACKLOG_MAX_BYTES=1GiB KEYFEED_BACKLOG_RETAIN_BYTES=2GiB", []string{"KEYFEED_BACKLOG_RETAIN_BYTES is more than"}},
		{"all in one report", "KEYFEED_SNIK=x KEYFEED_SINK=y KEYFEED_BACKLOG_SYNC=z KEYFEED_SOURCE_URL=redis://h/1 KEYFEED_SOURCE_NAME=", []string{
			"5 problems", "KEYFEED_SNIK", "KEYFEED_SINK must", "KEYFEED_BACKLOG_SYNC", "KEYFEED_SOURCE_URL", "KEYFEED_SOURCE_NAME",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(strings.Split(tt.environ, " "))
			problems, ok := err.(*config.Error) //nolint:errorlint // the type itself is promised
			if !ok {
				t.Fatalf("error is %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is\n%v\nwithout %q", err, want)
				}
			}
			if tt.name != "all in one report" && len(problems.Problems) != len(tt.want) {
				t.Errorf("%d problems, want %d:\n%v", len(problems.Problems), len(tt.want), err)
			}
		})
	}
}

func TestKubernetesNames(t *testing.T) {
	load(
		t,
		"KEYFEED_SERVICE_HOST=10.0.0.1", "KEYFEED_SERVICE_PORT=9622", "KEYFEED_SERVICE_PORT_HTTP=9622",
		"KEYFEED_PORT=tcp://10.0.0.1:9622", "KEYFEED_PORT_9622_TCP=tcp://10.0.0.1:9622", "KEYFEED_PORT_9622_TCP_PROTO=tcp",
		"KEYFEED_PORT_9622_TCP_PORT=9622", "KEYFEED_PORT_9622_TCP_ADDR=10.0.0.1", "KEYFEED_NATS_SERVICE_HOST=",
		"KEYFEED_NATS_PORT_4222_UDP=udp://10.0.0.1:4222",
	)
	for _, v := range new(config.Config).Redacted() {
		if strings.HasSuffix(v.Name, "_PORT") || strings.Contains(v.Name, "_PORT_") || strings.Contains(v.Name, "_SERVICE_") {
			t.Errorf("%s is a name that Kubernetes could give", v.Name)
		}
	}
}

func TestSecretFile(t *testing.T) {
	for _, tt := range []struct{ content, want string }{
		{"s3cret\n", "s3cret"},
		{"s3cret\r\n", "s3cret"},
		{"s3cret", "s3cret"},
		{"two\nlines\n\n", "two\nlines\n"},
		{" x ", " x "},
	} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if c := load(t, "KEYFEED_SOURCE_PASSWORD_FILE="+path); c.Source.Password.Reveal() != tt.want {
			t.Errorf("%q is read as %q", tt.content, c.Source.Password.Reveal())
		}
	}
}

// Whatever is done with a configuration, the secret does not come out.
func TestSecretsNeverPrint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := "Zq" + rapid.StringMatching(`[A-Za-z0-9:/@?#!%&=+ -]{6,30}`).Draw(t, "secret") + "qZ"
		sets := [][]string{
			{"KEYFEED_SOURCE_PASSWORD=" + secret, "KEYFEED_SINK=stdout"},
			{"KEYFEED_NATS_TOKEN=" + secret, "KEYFEED_NATS_URL=nats://h:4222"},
			{"KEYFEED_NATS_NKEY_SEED=" + secret, "KEYFEED_NATS_URL=nats://h:4222"},
			{"KEYFEED_SINK=kafka", "KEYFEED_KAFKA_BROKERS=b:1", "KEYFEED_KAFKA_SASL_MECHANISM=plain", "KEYFEED_KAFKA_SASL_USERNAME=u", "KEYFEED_KAFKA_SASL_PASSWORD=" + secret},
			{"KEYFEED_SOURCE_URL=redis://u:" + secret + "@h:6379"},
			{"KEYFEED_SOURCE_URL=" + secret + "@h"},
			{"KEYFEED_NATS_URL=nats://" + secret + "@h:4222,tls://u:" + secret + "@i:4222"},
			{"KEYFEED_SOURCE_PASSWORD=" + secret, "KEYFEED_SINK=bad", "KEYFEED_SNIK=" + secret, "KEYFEED_SOURCE_URL=" + secret},
			{"KEYFEED_HEARTBEAT_INTERVAL=" + secret, "KEYFEED_BACKLOG_MAX_BYTES=" + secret, "KEYFEED_NATS_REPLICAS=" + secret},
		}
		environ := rapid.SampledFrom(sets).Draw(t, "environment")
		var out bytes.Buffer
		c, err := config.Load(environ)
		if err != nil {
			fmt.Fprintf(&out, "%v %+v %#v", err, err, err)
		}
		if err := c.Print(&out); err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
			fmt.Fprintf(&out, verb, c)
			fmt.Fprintf(&out, verb, &c.Source)
			fmt.Fprintf(&out, verb, c.Source.Password)
			fmt.Fprintf(&out, verb, c.Source.URL)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("configuration", "all", c, "source", c.Source, "password", c.Source.Password, "url", c.NATS.URL)
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
		fmt.Fprint(&out, c.Redacted(), c.Warnings())
		hex := fmt.Sprintf("%x", secret)
		for _, form := range []string{secret, hex, strings.ToUpper(hex)} {
			if strings.Contains(out.String(), form) {
				t.Fatalf("%q is printed:\n%s", form, out.String())
			}
		}
	})
}

func TestPrint(t *testing.T) {
	c := load(t, "KEYFEED_SOURCE_PASSWORD=x", "KEYFEED_NATS_URL=nats://u:p@h:4222")
	var out strings.Builder
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n# KEYFEED_SOURCE_PASSWORD=[redacted]\n", "\nKEYFEED_NATS_URL=nats://[redacted]@h:4222\n",
		"\nKEYFEED_BACKLOG_RETAIN=5m\n", "\nKEYFEED_BACKLOG_RETAIN_BYTES=256MiB\n", "\n# KEYFEED_BACKLOG_MAX_BYTES=\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	// What is printed is a configuration again.
	var environ []string
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && !strings.Contains(line, "[redacted]") {
			environ = append(environ, line)
		}
	}
	load(t, environ...)
}

func TestDocumentationIsCurrent(t *testing.T) {
	for path, want := range map[string][]byte{
		"../../docs/configuration.md": config.Markdown(),
		"../../.env.example":          config.EnvExample(),
	} {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the settings say: run go generate ./internal/config", path)
		}
	}
	for _, v := range new(config.Config).Redacted() {
		if !bytes.Contains(config.Markdown(), []byte("`"+v.Name+"` |")) {
			t.Errorf("%s is not documented", v.Name)
		}
	}
}
