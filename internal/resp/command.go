package resp

// Command parses one command at the start of buf under the default [Limits]. The arguments are sub-slices of buf,
// appended to argv[:0]; n is the number of bytes that the command takes. A command without arguments ("*0", "*-1", a
// bare LF) gives no args and n > 0.
//
// The error is [ErrShort] when buf ends inside the command, else a [*ProtocolError]; args and n then mean nothing.
// Called again with more bytes it starts over: to find the end of a command that arrives in many pieces use [Scanner].
func Command(buf []byte, argv [][]byte) (args [][]byte, n int, err error) {
	limits := Limits{}.withDefaults()
	args = argv[:0]
	if len(buf) == 0 {
		return args, 0, ErrShort
	}
	switch buf[0] {
	case '\n':
		return args, 1, nil
	case '*':
	default:
		return args, 0, &ProtocolError{Offset: 0, Msg: msgStart}
	}
	argc, i, err := line(buf, 1, limits.MaxArgs, true)
	if err != nil {
		return args, 0, err
	}
	for range argc {
		if i == len(buf) {
			return args, 0, ErrShort
		}
		if buf[i] != '$' {
			return args, 0, &ProtocolError{Offset: int64(i), Msg: msgBulk}
		}
		size, start, err := line(buf, i+1, limits.MaxBulk, false)
		if err != nil {
			return args, 0, err
		}
		rest := int64(len(buf) - start)
		if rest > size && buf[start+int(size)] != '\r' {
			return args, 0, &ProtocolError{Offset: int64(start) + size, Msg: msgBodyEnd}
		}
		if rest < size+2 {
			return args, 0, ErrShort
		}
		end := start + int(size)
		if buf[end+1] != '\n' {
			return args, 0, &ProtocolError{Offset: int64(end) + 1, Msg: msgBodyEnd}
		}
		args = append(args, buf[start:end:end]) // one entry per argument seen, whatever the header said (invariant 6)
		i = end + 2
	}
	return args, i, nil
}

// line reads the number and CR LF of a header whose type byte stands before i; next is the index after the LF.
func line(buf []byte, i int, limit int64, array bool) (v int64, next int, err error) {
	if v, n := header(buf[i:]); n > 0 && v <= limit {
		return v, i + n, nil
	}
	var num number
	for ; i < len(buf); i++ {
		done, msg := num.step(buf[i], limit, array)
		if msg != "" {
			return 0, 0, headerError(int64(i), msg, array)
		}
		if done {
			if num.neg {
				return 0, i + 1, nil
			}
			return num.val, i + 1, nil
		}
	}
	return 0, 0, ErrShort
}

func headerError(offset int64, msg string, array bool) *ProtocolError {
	if msg != msgLimit {
		return &ProtocolError{Offset: offset, Msg: msg}
	}
	if array {
		return &ProtocolError{Offset: offset, Msg: msgArgs, Limit: true}
	}
	return &ProtocolError{Offset: offset, Msg: msgBulkLen, Limit: true}
}
