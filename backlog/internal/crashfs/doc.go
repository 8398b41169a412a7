// Package crashfs is a file system for tests: it lives in memory, remembers what was made durable, and on demand turns
// into what a power cut may leave of it ([FS.Crash]). It also runs out of space, and fails to sync, when told to.
//
// The model of a power cut: directory entries change in order, and what was not followed by SyncDir may be lost from
// some point on. The changes of one file take effect in order, and what was not followed by Sync may be lost from some
// byte on; different files lose independently. The size may have grown over what was lost, which then reads as zeros.
package crashfs
