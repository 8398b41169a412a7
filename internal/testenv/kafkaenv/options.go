package kafkaenv

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Option changes what Start starts.
type Option func(*options)

type options struct {
	user, password string // set = a SASL listener
	tls            bool
	announce       func(addr string) string // set = a listener that announces another address
	config         map[string]string
}

// WithSASL adds a listener, without TLS, that takes one user by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
func WithSASL(user, password string) Option {
	return func(o *options) { o.user, o.password = user, password }
}

// WithTLS adds a TLS listener with a certificate for 127.0.0.1 of an authority made for this server.
func WithTLS() Option {
	return func(o *options) { o.tls = true }
}

// WithProxied adds a plain listener for clients that come through a proxy: announce is called with the listener's
// address and returns the proxy's, which the broker then tells its clients.
func WithProxied(announce func(addr string) string) Option {
	return func(o *options) { o.announce = announce }
}

// WithConfig sets a broker setting, over those of this package.
func WithConfig(key, value string) Option {
	return func(o *options) { o.config[key] = value }
}

// properties renders server.properties.
func (s *Server) properties() string {
	names := []string{"PLAINTEXT", "CONTROLLER"}
	ports := map[string]int{"PLAINTEXT": s.port, "CONTROLLER": s.controllerPort}
	if s.opts.user != "" {
		names, ports["SASL_PLAINTEXT"] = append(names, "SASL_PLAINTEXT"), s.saslPort
	}
	if s.opts.tls {
		names, ports["SSL"] = append(names, "SSL"), s.tlsPort
	}
	if s.opts.announce != nil {
		names, ports["PROXIED"] = append(names, "PROXIED"), s.proxiedPort
	}
	var listeners, advertised []string
	for _, name := range names {
		at := fmt.Sprintf("%s://127.0.0.1:%d", name, ports[name])
		listeners = append(listeners, at)
		switch name {
		case "CONTROLLER":
		case "PROXIED":
			advertised = append(advertised, name+"://"+s.opts.announce(addr(s.proxiedPort)))
		default:
			advertised = append(advertised, at)
		}
	}
	config := map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          "1",
		"controller.quorum.voters":                         fmt.Sprintf("1@127.0.0.1:%d", s.controllerPort),
		"controller.listener.names":                        "CONTROLLER",
		"inter.broker.listener.name":                       "PLAINTEXT",
		"listeners":                                        strings.Join(listeners, ","),
		"advertised.listeners":                             strings.Join(advertised, ","),
		"listener.security.protocol.map":                   "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,PROXIED:PLAINTEXT",
		"log.dirs":                                         s.dir + "/data",
		"auto.create.topics.enable":                        "false",
		"num.partitions":                                   "3",
		"offsets.topic.replication.factor":                 "1",
		"offsets.topic.num.partitions":                     "1",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"transaction.state.log.num.partitions":             "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
		"group.initial.rebalance.delay.ms":                 "0",
		"num.network.threads":                              "2",
		"num.io.threads":                                   "4",
		// After kill -9 a broker may come back only when its old session is over.
		"broker.session.timeout.ms":    "2000",
		"broker.heartbeat.interval.ms": "500",
		// The default of 128 MiB is a quarter of the heap.
		"log.cleaner.dedupe.buffer.size": "4194304",
	}
	if s.opts.user != "" {
		config["sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
		config["listener.name.sasl_plaintext.plain.sasl.jaas.config"] = fmt.Sprintf(
			"org.apache.kafka.common.security.plain.PlainLoginModule required user_%s=%q;", s.opts.user, s.opts.password)
		for _, mechanism := range []string{"scram-sha-256", "scram-sha-512"} {
			config["listener.name.sasl_plaintext."+mechanism+".sasl.jaas.config"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		}
	}
	if s.opts.tls {
		config["ssl.keystore.type"] = "PEM"
		config["ssl.keystore.location"] = s.dir + "/server.pem"
	}
	maps.Copy(config, s.opts.config)
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(config)) {
		fmt.Fprintf(&b, "%s=%s\n", key, config[key])
	}
	return b.String()
}
