package testenv

import (
	"slices"
	"testing"
)

// Option changes how a Redis or Valkey server is started.
type Option func(*options)

type options struct {
	directives []directive
	aclLines   []string
	tls        bool
	dir        string
}

type directive struct{ name, value string }

// Set adds a line to the server's configuration file; value stands as it is, so several words are several arguments.
// An empty value is written as "". A later line wins over an earlier one and over the defaults, which are: loopback
// only, save "", repl-diskless-sync-delay 0 and, where the server knows it, enable-debug-command yes.
func Set(name, value string) Option {
	return func(o *options) { o.directives = append(o.directives, directive{name, value}) }
}

// ACL gives the server an ACL file with these lines ("user bob on >pw +psync +replconf"). A user for the helpers of
// this package is added to it.
func ACL(lines ...string) Option {
	return func(o *options) { o.aclLines = append(o.aclLines, lines...) }
}

// TLS makes the server speak TLS only, with certificates made for the test: see [Instance.CAFile],
// [Instance.CertFile] and [Instance.KeyFile]. Client certificates are checked when given; Set("tls-auth-clients", "yes")
// demands them.
func TLS() Option { return func(o *options) { o.tls = true } }

// Dir uses dir, where a dump.rdb may wait, instead of a new temporary directory.
func Dir(dir string) Option { return func(o *options) { o.dir = dir } }

func (o *options) value(name string) (string, bool) {
	for _, d := range slices.Backward(o.directives) {
		if d.name == name {
			return d.value, true
		}
	}
	return "", false
}

func applyOptions(tb testing.TB, opts []Option) *options {
	tb.Helper()
	o := &options{}
	for _, opt := range opts {
		opt(o)
	}
	if o.dir == "" {
		o.dir = tb.TempDir()
	}
	return o
}
