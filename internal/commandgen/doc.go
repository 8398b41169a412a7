// Package commandgen draws random, valid calls of every command in keyfeed's command table, with all their options, for
// tests that replay what a server made of them.
//
//	rows, err := commandgen.Rows(table)             // the names in commands.tsv
//	trees, err := commandgen.Docs(commandDocsReply)  // what the server knows of their arguments
//	g := commandgen.New(commands, options)
//	for { unit := g.Next(); … }
//
// # Where calls come from
//
// Nothing lists commands by hand. COMMAND DOCS of a server (Redis 7.0 and later) describes the arguments of each command
// as a tree: which are optional, which come several times, which exclude each other, which token stands before them.
// A call is a walk through that tree (call.go) with dice at each node. Leaves get a value by their name and type
// (values.go), keys by the group of the command (keys.go): each group has few keys, so that most calls find data of the
// type that they want, and some find another type.
//
// Commands that cannot be drawn, or only in a certain form, stand in exceptions.go, each with the reason.
//
// # What a seed gives
//
// The same seed, trees and clock give the same calls. What the server makes of them depends on the time too: keys expire.
package commandgen
