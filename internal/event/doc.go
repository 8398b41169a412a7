// Package event is the public event of keyfeed: the [Event] before it is encoded, the encoder that writes it as JSON,
// and the cutter that turns one big value into several events. The format is docs/events.md.
package event
