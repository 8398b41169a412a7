// Package vfs is the seam between the backlog and the file system: the few operations that the backlog needs, for real
// files ([OS]) and for files that live in memory only ([Mem]). Tests put a third one behind the seam, which loses what
// was not synced and runs out of space on demand.
//
// It knows nothing of segments and frames.
package vfs
