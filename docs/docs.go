// Package docs carries the documents that the program itself can print.
package docs

import _ "embed"

//go:embed events.schema.json
var eventsSchema string

// EventsSchema is the JSON Schema (2020-12) of one event, events.schema.json.
func EventsSchema() string { return eventsSchema }
