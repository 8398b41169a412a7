// Package discard is the sink that counts records and drops them: for measuring everything before the sink.
//
// It keeps a position as the stdout sink does, in a file or in memory, so that restarts can be measured too.
package discard
