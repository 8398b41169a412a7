package config

import "time"

// Config is all settings. Load fills it in and checks it; every field then has a usable value.
type Config struct {
	Source Source `envPrefix:"SOURCE_" group:"Source: the Redis or Valkey server to follow"`

	Sink string `env:"SINK" envDefault:"nats" oneof:"nats|kafka|stdout|discard" group:"Sink" desc:"Where the events go."`

	Delivery       string        `env:"DELIVERY" envDefault:"exactly-once" oneof:"exactly-once|at-least-once" desc:"exactly-once: Kafka gets transactions, for which the user needs Write and Describe on the transactional id keyfeed-<source>; read it with isolation.level=read_committed. at-least-once: Kafka gets the position after the events, so a crash repeats some, with the same ids."`
	CommitInterval time.Duration `env:"COMMIT_INTERVAL" envDefault:"100ms" min:"1ms" max:"1m" desc:"How long a Kafka transaction lasts while events flow; with at-least-once, how often the position is stored."`
	TxnMaxBytes    Size          `env:"TXN_MAX_BYTES" envDefault:"16MiB" min:"64KiB" max:"1GiB" desc:"Keys and values that end a Kafka transaction before KEYFEED_COMMIT_INTERVAL. A MULTI block or script up to this size is in one transaction, a larger one in several; a transaction is less than twice as large. It costs no memory here, where KEYFEED_KAFKA_MAX_BUFFERED_BYTES counts, nor in the brokers; a consumer sees a transaction only when it has ended. Lower it where the network carries less than this in half a minute."`

	NATS  NATS  `envPrefix:"NATS_" group:"NATS JetStream"`
	Kafka Kafka `envPrefix:"KAFKA_" group:"Kafka"`

	DataDir       string  `env:"DATA_DIR" envDefault:"./data" group:"Disk" desc:"Where the backlog, the snapshot and the embedded NATS server are stored. One keyfeed at a time uses it. The word memory keeps everything in memory, within KEYFEED_BACKLOG_MAX_BYTES and KEYFEED_SPOOL_MAX_BYTES."`
	Backlog       Backlog `envPrefix:"BACKLOG_"`
	SpoolMaxBytes Size    `env:"SPOOL_MAX_BYTES" min:"1MiB" example:"64GiB" desc:"Largest snapshot that is taken from the source. Default: as much as the disk holds; 256MiB where KEYFEED_DATA_DIR is memory."`

	SnapshotMode string `env:"SNAPSHOT_MODE" envDefault:"when_needed" oneof:"when_needed|always|initial_only|never" group:"Snapshots and policies" desc:"when_needed: where the position cannot be continued. always: at every start, unless a snapshot is in progress or KEYFEED_FULL_SYNCS_PER_HOUR is used up. initial_only: publish one and end. never: where one would be needed, publish a gap and go on with the stream."`
	On           On     `envPrefix:"ON_"`

	MaxShrink        int `env:"MAX_SHRINK" min:"1" max:"99" example:"50" desc:"A full sync that would leave fewer keys than this percentage less ends with exit code 3 before anything of it is published: the source may have been restarted empty. keyfeed position reset approves it. Default: off."`
	FullSyncsPerHour int `env:"FULL_SYNCS_PER_HOUR" envDefault:"6" min:"0" max:"1000" desc:"Full syncs that may begin within an hour, also across restarts; one that fails is followed by a pause of 10 s, which doubles up to 5 min. The next one waits. keyfeed position reset passes it once. 0: no limit and no pause."`

	Event             Event         `envPrefix:"EVENT_" group:"Events"`
	HeartbeatInterval time.Duration `env:"HEARTBEAT_INTERVAL" envDefault:"10s" min:"100ms" max:"1h" desc:"A heartbeat stores the position at least this often while the source sends nothing that becomes an event."`
	Filter            Filter        `envPrefix:"FILTER_"`

	HTTPAddr        string        `env:"HTTP_ADDR" envDefault:":9622" kind:"address" group:"Process" desc:"Where health and status are served."`
	StallTimeout    time.Duration `env:"STALL_TIMEOUT" envDefault:"2m" min:"1s" max:"24h" desc:"Nothing moves for this long, with changes to publish or without a byte from the source (KEYFEED_SOURCE_IDLE_TIMEOUT at least): it is logged once, and readyz and status say so."`
	Log             Log           `envPrefix:"LOG_"`
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"25s" min:"0s" max:"1h" desc:"How long SIGTERM may take to publish what has been read. Stay below the grace period of the orchestrator."`

	Target Target `envPrefix:"TARGET_" group:"Target: the server that keyfeed replay writes to, and keyfeed verify compares"`

	given    map[string]bool // full names that the environment sets
	warnings []string
}

// Values of [Config.Sink].
const (
	SinkNATS    = "nats"
	SinkKafka   = "kafka"
	SinkStdout  = "stdout"
	SinkDiscard = "discard"
)

// Values of [Config.Delivery].
const (
	DeliverExactlyOnce = "exactly-once"
	DeliverAtLeastOnce = "at-least-once"
)

// Values of [Config.SnapshotMode].
const (
	SnapshotWhenNeeded  = "when_needed"
	SnapshotAlways      = "always"
	SnapshotInitialOnly = "initial_only"
	SnapshotNever       = "never"
)

// Memory is the DataDir that is no directory.
const Memory = "memory"

// InMemory reports whether nothing is kept on disk.
func (c *Config) InMemory() bool { return c.DataDir == Memory }

// Source is the server to follow.
type Source struct {
	URL  URL    `env:"URL" envDefault:"redis://127.0.0.1:6379" desc:"redis://host:port, rediss://host:port (TLS) or unix:///path. A database in the path is an error: a replica receives all of them."`
	Name string `env:"NAME" envDefault:"redis" kind:"name" desc:"Name of the source in events, topics and subjects: 1 to 48 of a-z, 0-9, _ and -. It stands for one server and its replicas for ever."`

	Username string `env:"USERNAME" example:"keyfeed" desc:"ACL user. Without it the password is that of the user default."`
	Password Secret `env:"PASSWORD" example:"secret" desc:"Password for AUTH."`

	Ack      string `env:"ACK" envDefault:"durable" oneof:"durable|published" desc:"What is acknowledged to the source: bytes that are on disk here, or events that the sink has confirmed. Default published where KEYFEED_DATA_DIR is memory."`
	Announce string `env:"ANNOUNCE" kind:"announce" example:"-1" desc:"Port, or host:port, that the source shows for this replica in INFO and ROLE. Use -1 where Sentinel watches the source: Sentinel then leaves this replica alone. Default: none, shown as port 0."`

	RefuseFailoverAddr string `env:"REFUSE_FAILOVER_ADDR" kind:"address" example:":9624" desc:"Listen here, in plain TCP, and refuse when FAILOVER on the source chooses keyfeed as the new master, which would stop its writes otherwise. Its port is announced unless KEYFEED_SOURCE_ANNOUNCE says otherwise. Not where Sentinel watches the source."`

	DialTimeout      time.Duration `env:"DIAL_TIMEOUT" envDefault:"5s" min:"10ms" max:"5m" desc:"For connecting, TLS included."`
	HandshakeTimeout time.Duration `env:"HANDSHAKE_TIMEOUT" envDefault:"5s" min:"10ms" max:"5m" desc:"For each reply before PSYNC."`
	IdleTimeout      time.Duration `env:"IDLE_TIMEOUT" envDefault:"1m" min:"1s" max:"1h" desc:"A source that sends no byte for this long is taken for dead. Stay above repl-ping-replica-period of the source."`
	WriteTimeout     time.Duration `env:"WRITE_TIMEOUT" envDefault:"10s" min:"10ms" max:"5m" desc:"For each write to the source."`
	ReconnectMin     time.Duration `env:"RECONNECT_MIN" envDefault:"1s" min:"1ms" max:"1h" desc:"First wait after a failed connection; it doubles from there."`
	ReconnectMax     time.Duration `env:"RECONNECT_MAX" envDefault:"10s" min:"1ms" max:"1h" desc:"Longest wait between two connections."`

	TLS TLS `envPrefix:"TLS_"`
}

// Target is the server that a replay writes to.
type Target struct {
	URL      URL           `env:"URL" example:"redis://127.0.0.1:6380" desc:"redis://host:port, rediss://host:port (TLS) or unix:///path. -to of keyfeed replay and -target of keyfeed verify win."`
	Username string        `env:"USERNAME" example:"keyfeed" desc:"ACL user. Without it the password is that of the user default."`
	Password Secret        `env:"PASSWORD" example:"secret" desc:"Password for AUTH."`
	Timeout  time.Duration `env:"TIMEOUT" envDefault:"10s" min:"10ms" max:"5m" desc:"For connecting and logging in, TLS included."`
	TLS      TLS           `envPrefix:"TLS_"`
}

// Values of [Source.Ack].
const (
	AckDurable   = "durable"
	AckPublished = "published"
)

// NATSEmbedded is the [NATS.URL] that asks for a server in this process.
const NATSEmbedded = "embedded"

// NATS is how to reach JetStream and what to make there.
type NATS struct {
	URL          URL    `env:"URL" envDefault:"embedded" desc:"nats://host:port or tls://host:port, several with commas between; or embedded: a JetStream server in this process that stores in KEYFEED_DATA_DIR."`
	EmbeddedAddr string `env:"EMBEDDED_ADDR" envDefault:"127.0.0.1:4222" kind:"address" desc:"Where the embedded server listens. It asks for no login: keep it on a loopback or private address."`

	Stream  string `env:"STREAM" example:"KEYFEED_redis" desc:"Stream that takes the events. keyfeed is the only writer of it. Default: KEYFEED_ and the name of the source."`
	Subject string `env:"SUBJECT" envDefault:"keyfeed.{source}.{db}.{hash:256}" desc:"Subject of an event; {source}, {db}, {hash:N} (the key's hash modulo N) and {key} are filled in."`

	CredsFile string `env:"CREDS_FILE" kind:"file" example:"/etc/keyfeed/nats.creds" desc:"Path of a credentials file (JWT and seed)."`
	NKeySeed  Secret `env:"NKEY_SEED" example:"SU…" desc:"Seed of an nkey."`
	Username  string `env:"USERNAME" example:"keyfeed" desc:"User for login with a password."`
	Password  Secret `env:"PASSWORD" example:"secret" desc:"Its password."`
	Token     Secret `env:"TOKEN" example:"secret" desc:"Token for login."`
	TLS       TLS    `envPrefix:"TLS_"`

	CreateStream bool          `env:"CREATE_STREAM" envDefault:"true" desc:"Create the stream if it does not exist. A stream that exists keeps its settings, except that what KEYFEED_NATS_PUBLISH needs is turned on."`
	Replicas     int           `env:"REPLICAS" envDefault:"1" min:"1" max:"5" desc:"Replicas of a stream that is created."`
	MaxAge       time.Duration `env:"MAX_AGE" min:"1s" example:"168h" desc:"How long a stream that is created keeps events. Default: for ever."`
	MaxBytes     Size          `env:"MAX_BYTES" min:"1MiB" example:"100GiB" desc:"How much a stream that is created keeps. Default: as much as the server allows."`
	Publish      string        `env:"PUBLISH" envDefault:"auto" oneof:"auto|fast|atomic|single" desc:"How events are sent. fast: a fast-ingest batch; needs a server of 2.14 and allow_batched of the stream. atomic: one batch at a time, so that a transaction appears at once (up to 1000 events); 2.12 and allow_atomic. single: one event at a time; any server. auto: the first of these that the server has. With KEYFEED_NATS_CREATE_STREAM=true keyfeed turns on in the stream what is needed."`
	MaxPending   int           `env:"MAX_PENDING" envDefault:"4000" min:"1" max:"1000000" desc:"Events published and not yet acknowledged, at most."`
	Timeout      time.Duration `env:"TIMEOUT" envDefault:"10s" min:"100ms" max:"10m" desc:"For each step of connecting, and for an acknowledgement."`
}

// Kafka is how to reach a cluster and what to make there.
type Kafka struct {
	Brokers       List   `env:"BROKERS" kind:"addresses" example:"kafka-1:9092,kafka-2:9092" desc:"host:port of some brokers, with commas between. Required for KEYFEED_SINK=kafka."`
	Topic         string `env:"TOPIC" envDefault:"keyfeed.{source}" desc:"Topic of an event; {source} and {db} are filled in."`
	ProgressTopic string `env:"PROGRESS_TOPIC" envDefault:"_keyfeed.progress" desc:"Topic that holds the positions of all sources. One partition, compacted."`
	CreateTopics  bool   `env:"CREATE_TOPICS" envDefault:"true" desc:"Create topics that do not exist."`
	Partitions    int    `env:"PARTITIONS" envDefault:"0" min:"0" max:"100000" desc:"Partitions of a topic that is created; 0 as the broker says."`
	Replication   int    `env:"REPLICATION" envDefault:"0" min:"0" max:"100" desc:"Replication factor of a topic that is created; 0 as the broker says."`
	Compression   string `env:"COMPRESSION" envDefault:"zstd" oneof:"none|gzip|snappy|lz4|zstd" desc:"Compression of record batches."`
	ClientID      string `env:"CLIENT_ID" envDefault:"keyfeed" desc:"Name of this client in the logs and quotas of the brokers."`

	SASL   SASL `envPrefix:"SASL_"`
	UseTLS bool `env:"TLS" envDefault:"false" desc:"Use TLS. Any KEYFEED_KAFKA_TLS_… setting turns it on as well."`
	TLS    TLS  `envPrefix:"TLS_"`

	MaxBufferedBytes Size          `env:"MAX_BUFFERED_BYTES" envDefault:"16MiB" min:"1MiB" max:"4GiB" desc:"Keys and values queued and not yet acknowledged, at most."`
	Timeout          time.Duration `env:"TIMEOUT" envDefault:"30s" min:"1s" max:"10m" desc:"An acknowledgement later than this fails the sink, which then starts anew from the position stored."`
}

// SASL is a login to Kafka.
type SASL struct {
	Mechanism string `env:"MECHANISM" oneof:"plain|scram-sha-256|scram-sha-512" example:"scram-sha-512" desc:"How to log in. Default: no login."`
	Username  string `env:"USERNAME" example:"keyfeed" desc:"User."`
	Password  Secret `env:"PASSWORD" example:"secret" desc:"Its password."`
}

// Backlog is the log of the stream on disk.
type Backlog struct {
	MaxBytes    Size          `env:"MAX_BYTES" min:"4MiB" example:"16GiB" desc:"Size at which the backlog is full; its files take blocks of up to 64 MiB ahead, within that. Default: half of the free space; 256MiB where KEYFEED_DATA_DIR is memory."`
	Sync        time.Duration `env:"SYNC" envDefault:"100ms" min:"1ms" max:"1m" desc:"Time between two fsyncs while bytes arrive."`
	Retain      time.Duration `env:"RETAIN" envDefault:"5m" min:"0s" max:"720h" desc:"How long published bytes are kept, as far as KEYFEED_BACKLOG_RETAIN_BYTES allows: a broker may lose its last seconds on a power cut. 0s keeps none."`
	RetainBytes Size          `env:"RETAIN_BYTES" envDefault:"256MiB" min:"0B" desc:"How many published bytes are kept, at most. 0B keeps none."`
}

// On is what to do in cases that have no single right answer.
type On struct {
	HistoryLoss string `env:"HISTORY_LOSS" envDefault:"resync" oneof:"resync|fail" desc:"The source no longer has the bytes after the position. resync: take a new snapshot. fail: end with exit code 3."`
	SinkLoss    string `env:"SINK_LOSS" envDefault:"fail" oneof:"fail|resync" desc:"The sink has lost events that it had confirmed, and they cannot be sent again. fail: end with exit code 3. resync: take a new snapshot."`
	BacklogFull string `env:"BACKLOG_FULL" envDefault:"block" oneof:"block|resync" desc:"The backlog is full. block: drop the link, keep everything, reconnect at 80 %. resync: wait for the sink, publish the backlog to its end, then ask the source from there."`
	Unknown     string `env:"UNKNOWN" envDefault:"emit" oneof:"emit|skip|fail" desc:"A command that is not known. emit: publish it as a message of kind unknown. skip: count it and go on. fail: end with exit code 3."`
	Oversize    string `env:"OVERSIZE" envDefault:"omit" oneof:"omit|fail" desc:"An event that is too large and cannot be cut. omit: publish it without its content, with size and SHA-256. fail: end with exit code 3."`
}

// Values of the policies in [On].
const (
	PolicyFail   = "fail"
	PolicyResync = "resync"
	PolicyBlock  = "block"
	PolicyEmit   = "emit"
	PolicySkip   = "skip"
	PolicyOmit   = "omit"
)

// Event is the form of events.
type Event struct {
	MaxBytes Size   `env:"MAX_BYTES" envDefault:"900KiB" min:"4KiB" max:"64MiB" desc:"Largest encoded event. Larger values become parts. The default leaves room for a key of 64 KiB and headers below the 1 MiB that brokers take by default."`
	Binary   string `env:"BINARY" envDefault:"auto" oneof:"auto|always" desc:"auto: base64 only where an event holds bytes that are not UTF-8. always: base64 everywhere."`
	Publish  bool   `env:"PUBLISH" envDefault:"false" desc:"PUBLISH and SPUBLISH become messages too."`
}

// BinaryAlways is the [Event.Binary] that makes everything base64.
const BinaryAlways = "always"

// Filter says which keys become events. With a filter on, the events do not rebuild the source.
type Filter struct {
	KeysInclude List `env:"KEYS_INCLUDE" example:"user:*,order:*" desc:"Globs as in the command KEYS, with commas between (write ? for a comma in a glob): only matching keys become events."`
	KeysExclude List `env:"KEYS_EXCLUDE" example:"cache:*" desc:"Globs: matching keys do not become events."`
	DBs         Ints `env:"DBS" example:"0,1" desc:"Only these databases become events."`
}

// Log is how to log.
type Log struct {
	Level  string `env:"LEVEL" envDefault:"info" oneof:"debug|info|warn|error" desc:"The least level that is logged."`
	Format string `env:"FORMAT" envDefault:"text" oneof:"text|json" desc:"Form of the lines on stderr."`
}
