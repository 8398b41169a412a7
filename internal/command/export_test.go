package command

// Held is the memory kept for the next chunk, in bytes.
func (d *Decoder) Held() int {
	n := cap(d.cut.buf) + cap(d.block.held.bytes) + 24*cap(d.argv)
	for _, a := range d.skim.args {
		n += 24 + cap(a)
	}
	return n
}
