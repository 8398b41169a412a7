package config

import (
	"fmt"
	"net/url"
	"strings"

	"keyfeed/ingest"
	"keyfeed/internal/redisurl"
)

// conflicts checks settings against each other.
func (c *Config) conflicts() []string {
	var p problems
	c.Source.conflicts(&p)
	c.Target.conflicts(&p)
	c.memoryConflicts(&p)
	switch c.Sink {
	case SinkNATS:
		c.NATS.conflicts(&p)
		if c.NATS.URL.Reveal() == NATSEmbedded && c.NATS.EmbeddedAddr == c.HTTPAddr {
			p.add("KEYFEED_NATS_EMBEDDED_ADDR and KEYFEED_HTTP_ADDR are the same address")
		}
	case SinkKafka:
		c.Kafka.conflicts(&p, c.given[Prefix+"KAFKA_BROKERS"])
	}
	if c.Backlog.MaxBytes > 0 && c.given[Prefix+"BACKLOG_RETAIN_BYTES"] && c.Backlog.RetainBytes > c.Backlog.MaxBytes {
		p.add("KEYFEED_BACKLOG_RETAIN_BYTES is more than KEYFEED_BACKLOG_MAX_BYTES")
	}
	return p
}

type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func (s *Source) conflicts(p *problems) {
	parsed, err := ingest.ParseURL(s.URL.Reveal())
	if err != nil {
		p.add("KEYFEED_SOURCE_URL: %v", err)
		return
	}
	if s.Username != "" && !s.Password.IsSet() {
		p.add("KEYFEED_SOURCE_USERNAME needs KEYFEED_SOURCE_PASSWORD")
	}
	if (parsed.Username != "" || parsed.Password != "") && (s.Username != "" || s.Password.IsSet()) {
		p.add("KEYFEED_SOURCE_URL holds a user or password, and so do KEYFEED_SOURCE_USERNAME or KEYFEED_SOURCE_PASSWORD: keep one")
	}
	if s.ReconnectMin > s.ReconnectMax {
		p.add("KEYFEED_SOURCE_RECONNECT_MIN is more than KEYFEED_SOURCE_RECONNECT_MAX")
	}
	if parsed.TLS == nil && s.TLS.IsSet() {
		p.add("KEYFEED_SOURCE_TLS_… is set, but KEYFEED_SOURCE_URL does not ask for TLS: write rediss://")
		return
	}
	s.TLS.conflicts(p, "KEYFEED_SOURCE_TLS_")
}

func (t *Target) conflicts(p *problems) {
	if t.Username != "" && !t.Password.IsSet() {
		p.add("KEYFEED_TARGET_USERNAME needs KEYFEED_TARGET_PASSWORD")
	}
	if t.URL.Reveal() == "" {
		return // -to names it, or nobody replays
	}
	parsed, err := redisurl.Parse(t.URL.Reveal(), "target")
	if err != nil {
		p.add("KEYFEED_TARGET_URL: %v", err)
		return
	}
	if (parsed.Username != "" || parsed.Password != "") && (t.Username != "" || t.Password.IsSet()) {
		p.add("KEYFEED_TARGET_URL holds a user or password, and so do KEYFEED_TARGET_USERNAME or KEYFEED_TARGET_PASSWORD: keep one")
	}
	t.TLS.conflicts(p, "KEYFEED_TARGET_TLS_")
}

func (t *TLS) conflicts(p *problems, prefix string) {
	if t.Insecure && t.CAFile != "" {
		p.add("%sINSECURE leaves the certificate unchecked, so %sCA_FILE has no effect: keep one", prefix, prefix)
		return
	}
	if _, err := t.Client(""); err != nil {
		for line := range strings.Lines(err.Error()) {
			p.add("%s%s", prefix, strings.TrimSuffix(line, "\n"))
		}
	}
}

// memoryConflicts is about a DataDir that is no directory.
func (c *Config) memoryConflicts(p *problems) {
	if !c.InMemory() {
		return
	}
	if c.Source.Ack == AckDurable {
		p.add("KEYFEED_SOURCE_ACK=durable needs a disk: KEYFEED_DATA_DIR=memory can only acknowledge what is published")
	}
	if c.Sink == SinkNATS && c.NATS.URL.Reveal() == NATSEmbedded {
		p.add("KEYFEED_NATS_URL=embedded needs a disk: name a server, or set KEYFEED_DATA_DIR to a directory")
	}
}

func (n *NATS) conflicts(p *problems) {
	var logins []string
	for _, login := range []struct {
		name string
		set  bool
	}{
		{"KEYFEED_NATS_CREDS_FILE", n.CredsFile != ""},
		{"KEYFEED_NATS_NKEY_SEED", n.NKeySeed.IsSet()},
		{"KEYFEED_NATS_USERNAME", n.Username != "" || n.Password.IsSet()},
		{"KEYFEED_NATS_TOKEN", n.Token.IsSet()},
	} {
		if login.set {
			logins = append(logins, login.name)
		}
	}
	if len(logins) > 1 {
		p.add("%s: set one way to log in", strings.Join(logins, ", "))
	}
	if (n.Username != "") != n.Password.IsSet() {
		p.add("KEYFEED_NATS_USERNAME and KEYFEED_NATS_PASSWORD belong together: set both")
	}
	if n.URL.Reveal() == NATSEmbedded {
		if len(logins) > 0 || n.TLS.IsSet() {
			p.add("KEYFEED_NATS_URL=embedded takes no login and no TLS: name a server, or leave them out")
		}
		return
	}
	for one := range strings.SplitSeq(n.URL.Reveal(), ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss" {
			p.add("KEYFEED_NATS_URL must be embedded, or nats://host:port or tls://host:port, several with commas between")
			break
		}
	}
	n.TLS.conflicts(p, "KEYFEED_NATS_TLS_")
}

func (k *Kafka) conflicts(p *problems, brokersGiven bool) {
	if !brokersGiven {
		p.add("KEYFEED_KAFKA_BROKERS is required for KEYFEED_SINK=kafka")
	}
	switch sasl := &k.SASL; {
	case sasl.Mechanism == "" && (sasl.Username != "" || sasl.Password.IsSet()):
		p.add("KEYFEED_KAFKA_SASL_USERNAME and KEYFEED_KAFKA_SASL_PASSWORD need KEYFEED_KAFKA_SASL_MECHANISM")
	case sasl.Mechanism != "" && (sasl.Username == "" || !sasl.Password.IsSet()):
		p.add("KEYFEED_KAFKA_SASL_MECHANISM needs KEYFEED_KAFKA_SASL_USERNAME and KEYFEED_KAFKA_SASL_PASSWORD")
	}
	k.TLS.conflicts(p, "KEYFEED_KAFKA_TLS_")
}

// unused warns of settings of sinks that are not in use.
func (c *Config) unused() []string {
	var names []string
	for _, s := range settings(c) {
		other := c.Sink != SinkNATS && strings.HasPrefix(s.name, Prefix+"NATS_") ||
			c.Sink != SinkKafka && (strings.HasPrefix(s.name, Prefix+"KAFKA_") || s.name == Prefix+"COMMIT_INTERVAL" || s.name == Prefix+"TXN_MAX_BYTES") ||
			c.Sink == SinkNATS && s.name == Prefix+"NATS_EMBEDDED_ADDR" && c.NATS.URL.Reveal() != NATSEmbedded
		if other && c.given[s.name] {
			names = append(names, s.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("no effect with KEYFEED_SINK=%s: %s", c.Sink, strings.Join(names, ", "))}
}
