// Package event is the public event of keyfeed: the [Event] before it is encoded, the [Encoder] that writes it as JSON,
// and the [Cutter] that turns one big value into several events. The format is docs/events.md; its JSON Schema is
// docs/events.schema.json, and the tests of this package hold the three together.
//
// # From a change to bytes
//
// A decoder (of the replication stream, or of a snapshot) fills an Event and hands it on; whoever publishes encodes it:
//
//	enc := event.NewEncoder(event.Settings{Source: "redis", MaxBytes: 900 << 10})
//	buf = enc.Append(buf, &e) // one JSON object, no newline
//
// The byte slices of an Event are borrowed: they are valid during the call that hands the event over and no longer.
//
// # Text and bytes
//
// Keys and values are bytes, JSON is text. A key that is not UTF-8 is written as base64 with key_enc. The byte strings
// in args, keys and value share one switch, enc: if one of them is not UTF-8, all are base64. The encoder writes text
// until it meets a byte that cannot be text, and only then starts over, so that the common case is read once.
//
// # Sizes
//
// [Settings.MaxBytes] counts encoded bytes, envelope included. Three things keep events below it: the decoder of
// commands asks [Encoder.Fits] and cuts a command or leaves its arguments out with [Encoder.Omit]; the decoder of
// snapshots gives values to a [Cutter] piece by piece, which never holds more than one part; and a key that would leave
// no room for a value is left out, with its SHA-256 in its place (see [MaxKeyBytes]).
//
// Everything here is a pure function of its input and the Settings (invariant 5): the same value given in other pieces
// makes the same parts, so an event keeps its id and its bytes however often it is decoded.
package event
