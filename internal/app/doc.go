// Package app is the process: it makes the sink and the bridge that a configuration describes, starts them with the
// status pages and, where it is asked for, the embedded broker, and stops them in order. It is the only place that
// knows every package.
package app
