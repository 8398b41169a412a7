package resp

// Limits bounds what a header may announce. The zero value means the defaults.
type Limits struct {
	MaxArgs int64 // arguments of one command; default 2^31-1, what a server can hold (int argc)
	MaxBulk int64 // bytes of one argument; default 4 GiB, eight times the server's own default for clients
}

const (
	defaultMaxArgs = 1<<31 - 1
	defaultMaxBulk = 4 << 30
)

func (l Limits) withDefaults() Limits {
	if l.MaxArgs <= 0 {
		l.MaxArgs = defaultMaxArgs
	}
	if l.MaxBulk <= 0 {
		l.MaxBulk = defaultMaxBulk
	}
	return l
}
