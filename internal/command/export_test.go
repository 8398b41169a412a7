package command

// Held is the memory kept for the next chunk, in bytes.
func (d *Decoder) Held() int {
	return cap(d.cut.buf) + cap(d.block.held.bytes) + 24*cap(d.argv) + len(d.skim.args)*keptBytes
}
