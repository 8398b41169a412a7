package resp_test

import (
	"errors"
	"slices"
	"testing"

	"keyfeed/internal/resp"
)

func seeds(f *testing.F) {
	f.Helper()
	for in := range malformed() {
		f.Add([]byte(in), uint64(1))
	}
	f.Add([]byte(set+"\n*0\r\n*-1\r\n*2\r\n$6\r\nSELECT\r\n$2\r\n11\r\n"), uint64(7))
	f.Add([]byte("*1\r\n$5\r\nMULTI\r\n"+set+set+"*1\r\n$4\r\nEXEC\r\n"), uint64(3))
	f.Add([]byte("*1\r\n$4\r\nping\r\n*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"), uint64(5))
	f.Add([]byte("*1000000000\r\n$3\r\nSET\r\n$1000000000\r\nx"), uint64(0))
}

// FuzzCommand: what Command takes is made of sub-slices of the buffer, in order, and writes back to the same bytes.
func FuzzCommand(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte, _ uint64) {
		args, n, err := resp.Command(in, nil)
		if err != nil {
			var perr *resp.ProtocolError
			if !errors.Is(err, resp.ErrShort) && (!errors.As(err, &perr) || perr.Offset >= int64(len(in))) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		if n <= 0 || n > len(in) {
			t.Fatalf("took %d of %d bytes", n, len(in))
		}
		if len(args) == 0 {
			return
		}
		if back := resp.AppendCommand(nil, args...); !slices.Equal(back, in[:n]) {
			t.Fatalf("%q was read from %q", back, in[:n])
		}
	})
}

// FuzzScanner: the same bytes give the same ends however they are cut, and the ends that Command gives.
func FuzzScanner(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		s := resp.NewScanner(resp.Limits{})
		whole, wholeErr := ends(s, in, nil)
		s.Reset() // it remembers the shapes of commands, which must not matter
		again, againErr := ends(s, in, nil)
		if !slices.Equal(whole, again) || text(wholeErr) != text(againErr) {
			t.Fatalf("%v, %v, and the second time %v, %v", whole, wholeErr, again, againErr)
		}

		var cuts []int
		for at := 0; at < len(in); {
			seed = seed*6364136223846793005 + 1442695040888963407
			at += 1 + int(seed>>33)%9
			if at < len(in) {
				cuts = append(cuts, at)
			}
		}
		cut, cutErr := ends(resp.NewScanner(resp.Limits{}), in, cuts)
		if !slices.Equal(whole, cut) {
			t.Fatalf("ends differ: %v whole, %v cut at %v", whole, cut, cuts)
		}
		if text(wholeErr) != text(cutErr) {
			t.Fatalf("errors differ: %v whole, %v cut at %v", wholeErr, cutErr, cuts)
		}

		s.Reset()
		var skipped int // ends that Skip went over
		for at := 0; at < len(in); {
			n := s.Skip(in[at:])
			for last := at + n; skipped < len(whole) && whole[skipped].at <= last; skipped++ {
				if whole[skipped].kind != resp.Other {
					t.Fatalf("Skip went over %v", whole[skipped])
				}
			}
			if at += n; n > 0 && whole[skipped-1].at != at || s.Total() != int64(at) {
				t.Fatalf("Skip stopped at %d, Total %d: %v", at, s.Total(), whole)
			}
			n, kind, err := s.Next(in[at:])
			if at += n; err != nil || kind == resp.None {
				break
			}
			if skipped == len(whole) || whole[skipped].at != at || whole[skipped].kind != kind {
				t.Fatalf("after Skip, Next gave %d at %d: %v", kind, at, whole)
			}
			skipped++
		}
		if skipped != len(whole) {
			t.Fatalf("%d ends with Skip, %d without", skipped, len(whole))
		}

		var got []end
		for at := 0; ; {
			args, n, err := resp.Command(in[at:], nil)
			if err != nil {
				if perr, ok := errors.AsType[*resp.ProtocolError](err); ok {
					perr.Offset += int64(at)
				} else {
					err = nil // short: the scanner goes on waiting
				}
				if text(err) != text(wholeErr) {
					t.Fatalf("Command says %v, Scanner %v", err, wholeErr)
				}
				break
			}
			at += n
			kind, db := resp.Classify(args)
			got = append(got, end{at, kind, db})
		}
		if !slices.Equal(whole, got) {
			t.Fatalf("ends differ: %v Scanner, %v Command", whole, got)
		}
	})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
