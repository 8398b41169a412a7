// Package config is every setting of keyfeed: one struct, read from environment variables that begin with KEYFEED_.
//
//	cfg, err := config.Load(os.Environ())
//	if err != nil { … } // *config.Error, with every problem there is; the process ends with exit code 2
//
// The struct [Config] is the only list of settings. The rules for a single value stand in its tags, and what README,
// docs/configuration.md and .env.example say about settings is made from them too (go generate; a test holds the files
// current):
//
//	env, envDefault    the name without its prefix, and the default (github.com/caarlos0/env)
//	desc               one or two sentences for the documentation
//	example            a value for .env.example, where the default is empty
//	oneof              the allowed values, with | between them
//	min, max           bounds of a number, size or duration, both allowed
//
// # Rules
//
// All problems are reported at once. A name that begins with KEYFEED_ and is not known is refused, with the nearest
// known name, except the names that Kubernetes gives to the containers of a namespace with a Service called keyfeed…
// (KEYFEED_PORT, KEYFEED_SERVICE_HOST, …); for that reason no name here ends in _PORT. A name that is set but empty is
// an error. A secret, and only a secret, can also be given as X_FILE, the path of a file that holds it; one newline at
// its end is not part of it. Values of secrets appear in no error, log or output: their type is [Secret], and URLs,
// which may hold a password, have the type [URL].
package config

//go:generate go run ./gen -root ../..
