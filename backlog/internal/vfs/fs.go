package vfs

import "io"

// FS is a file system as the backlog sees it. All methods may be called by any goroutine.
//
// Durability is as with POSIX: what a file holds is durable after its Sync, that it exists (or no longer does) after
// SyncDir of its directory. Without them a power cut may keep any part of it.
type FS interface {
	// Create makes an empty file for reading and writing; an existing one is emptied.
	Create(path string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(path string) (File, error)
	// OpenRead opens an existing file for reading. The handle stays readable when the file is removed.
	OpenRead(path string) (File, error)
	// Remove removes a file. Open handles go on working.
	Remove(path string) error
	// List returns the names, without the directory, of the entries of dir in text order.
	List(dir string) ([]string, error)
	// SyncDir makes the creations and removals in dir durable.
	SyncDir(dir string) error
}

// File is an open file. ReadAt may be called by many goroutines, beside one that writes elsewhere in the file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is the length of the file in bytes.
	Size() (int64, error)
	// Reserve asks for room up to size bytes, so that growing so far is faster; what is reserved beyond the length is
	// given back where size is not more than that. A hint: the length stays, and a file system may do nothing. Not
	// beside a write.
	Reserve(size int64)
	// Truncate sets the length of the file in bytes.
	Truncate(size int64) error
	// Sync makes the content and the length durable. After an error nothing is known about either.
	Sync() error
}
