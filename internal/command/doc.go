// Package command turns the bytes of a replication stream into events.
package command
