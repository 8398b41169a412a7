// Package stdout is the sink that prints events, one per line, to the process's standard output or any writer.
//
// Delivery is at least once: the position is stored in a file after the lines are written, so a crash between the two
// prints some lines again, with the same ids. When keyfeed starts again it prints a newline first: a line that the
// crash has torn stays alone, and whole lines stay whole. A reader skips empty lines and the torn one, and drops
// repeated ids.
//
// Records for every partition are printed once. Keys are not printed: they are in the events.
package stdout
