// Package fakeprimary is the other end of a replication link, for what a real server cannot be made to do: odd replies,
// a cut at a chosen byte, silence, bytes out of step.
//
// A [Primary] runs a [Script] for each connection, over a listener or over net.Pipe inside a synctest bubble. The script
// is plain code that speaks through a [Conn]:
//
//	p := fakeprimary.New(func(n int, c *fakeprimary.Conn) {
//		if _, _, err := c.Handshake(nil); err != nil {
//			return // the client left
//		}
//		c.Send("-NOMASTERLINK Can't SYNC while not connected with my master\r\n")
//	})
//	cfg.Dial = p.Dial
//
// [History] is a script that behaves: one snapshot and the stream behind it, served in full or in part as a server does.
// Combined with [Conn.CutAfter] it makes every table of cut points.
//
// What it says follows redis-server 7.0.15. It checks what a replica may not do: after PSYNC, anything but REPLCONF ACK,
// and anything at all before the payload ends (invariant 10), are reported by [Primary.Violations].
package fakeprimary
