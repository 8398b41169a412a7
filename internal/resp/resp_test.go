package resp_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"keyfeed/internal/resp"
)

const set = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n"

func TestCommand(t *testing.T) {
	tests := []struct {
		name string
		in   string
		args []string
		n    int
	}{
		{"set", set + "*1", []string{"SET", "k", "value"}, len(set)},
		{"newline", "\n" + set, nil, 1},
		{"no arguments", "*0\r\n" + set, nil, 4},
		{"negative", "*-1\r\n", nil, 5},
		{"negative, long", "*-123456789\r\n", nil, 13},
		{"empty argument", "*2\r\n$0\r\n\r\n$1\r\nx\r\n", []string{"", "x"}, 17},
		{"body of CR LF", "*1\r\n$4\r\n\r\n\r\n\r\n", []string{"\r\n\r\n"}, 14},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args, n, err := resp.Command([]byte(tt.in), nil)
			if err != nil || n != tt.n {
				t.Fatalf("Command = %d bytes, %v, want %d", n, err, tt.n)
			}
			got := make([]string, 0, len(args))
			for _, a := range args {
				got = append(got, string(a))
			}
			if strings.Join(got, "|") != strings.Join(tt.args, "|") || len(got) != len(tt.args) {
				t.Errorf("args = %q, want %q", got, tt.args)
			}
			for i := range tt.n {
				if _, _, err := resp.Command([]byte(tt.in[:i]), nil); !errors.Is(err, resp.ErrShort) {
					t.Errorf("cut at %d: %v, want ErrShort", i, err)
				}
			}
		})
	}
}

// malformed holds what is no stream, with the index of the first byte that cannot be right.
func malformed() map[string]int64 {
	return map[string]int64{
		"PING\r\n":                           0,
		"\r\n":                               0,
		"$3\r\nSET\r\n":                      0,
		"*\r\n":                              1,
		"*x\r\n":                             1,
		"*+1\r\n":                            1,
		"*01\r\n":                            2,
		"*-0\r\n":                            2,
		"*--1\r\n":                           2,
		"*1 \r\n":                            2,
		"*1\n":                               2,
		"*1\r\r":                             3,
		"*1\r\n:3\r\n":                       4,
		"*1\r\n$-1\r\n":                      5,
		"*1\r\n$\r\n":                        5,
		"*1\r\n$03\r\n":                      6,
		"*1\r\n$3\r\nSETx\n":                 11,
		"*1\r\n$3\r\nSET\rx":                 12,
		"*2\r\n$3\r\nSET\r\n*1\r\n":          13,
		"*4294967296\r\n":                    10,
		"*99999999999999999999999\r\n":       10,
		"*1\r\n$99999999999999999999999\r\n": 14,
		set + "x":                            int64(len(set)),
		set + set[1:]:                        int64(len(set)),
	}
}

func TestMalformed(t *testing.T) {
	for in, offset := range malformed() {
		for cut := 0; cut <= len(in); cut++ {
			s := resp.NewScanner(resp.Limits{})
			_, err := ends(s, []byte(in), []int{cut})
			var perr *resp.ProtocolError
			if !errors.As(err, &perr) || perr.Offset != offset {
				t.Fatalf("Scanner over %q cut at %d: %v, want an error at %d", in, cut, err, offset)
			}
		}
		buf := []byte(in)
		var at int64
		for {
			_, n, err := resp.Command(buf[at:], nil)
			if err == nil {
				at += int64(n)
				continue
			}
			var perr *resp.ProtocolError
			if !errors.As(err, &perr) || perr.Offset+at != offset {
				t.Errorf("Command over %q: %v at %d, want an error at %d", in, err, at, offset)
			}
			break
		}
	}
}

func TestLimits(t *testing.T) {
	s := resp.NewScanner(resp.Limits{MaxArgs: 3, MaxBulk: 5})
	for in, want := range map[string]string{
		"*4\r\n":         "more arguments than the limit",
		"*3\r\n$6\r\n":   "an argument longer than the limit",
		"*3\r\n$500\r\n": "an argument longer than the limit",
	} {
		s.Reset()
		_, _, err := s.Next([]byte(in))
		if !errors.Is(err, resp.ErrLimit) || !strings.Contains(err.Error(), want) {
			t.Errorf("Next(%q) = %v, want %s", in, err, want)
		}
	}
	s.Reset()
	if n, kind, err := s.Next([]byte(set)); n != len(set) || kind != resp.Other || err != nil {
		t.Errorf("Next(set) = %d, %v, %v", n, kind, err)
	}
}

func TestHostileHeaderAllocatesNothing(t *testing.T) {
	in := []byte("*1000000000\r\n$3\r\nSET\r\n")
	argv := make([][]byte, 0, 4)
	s := resp.NewScanner(resp.Limits{})
	if n := testing.AllocsPerRun(100, func() {
		_, _, _ = resp.Command(in, argv)
		s.Reset()
		_, _, _ = s.Next(in)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestKinds(t *testing.T) {
	tests := []struct {
		args []string
		kind resp.Kind
		db   int
	}{
		{[]string{"PING"}, resp.Ping, 0},
		{[]string{"ping"}, resp.Ping, 0},
		{[]string{"pInG", "x"}, resp.Ping, 0},
		{[]string{"MULTI"}, resp.Multi, 0},
		{[]string{"multi", "x"}, resp.Other, 0},
		{[]string{"EXEC"}, resp.Exec, 0},
		{[]string{"exec", ""}, resp.Other, 0},
		{[]string{"SELECT", "0"}, resp.Select, 0},
		{[]string{"select", "2147483647"}, resp.Select, 1<<31 - 1},
		{[]string{"select", "2147483648"}, resp.Other, 0},
		{[]string{"select", "01"}, resp.Other, 0},
		{[]string{"select", "-1"}, resp.Other, 0},
		{[]string{"select", ""}, resp.Other, 0},
		{[]string{"select", "12345678901"}, resp.Other, 0},
		{[]string{"select", "1", "1"}, resp.Other, 0},
		{[]string{"select"}, resp.Other, 0},
		{[]string{"REPLCONF", "GETACK", "*"}, resp.GetAck, 0},
		{[]string{"replconf", "getack"}, resp.GetAck, 0},
		{[]string{"replconf", "TIMESTAMP", "1"}, resp.Other, 0},
		{[]string{"replconf"}, resp.Other, 0},
		{[]string{"SET", "k", "v"}, resp.Other, 0},
		{[]string{"HSET", "k", "f", "v"}, resp.Other, 0},
		{[]string{""}, resp.Other, 0},
		{[]string{"P\tng"}, resp.Other, 0},
		{[]string{strings.Repeat("x", 100), strings.Repeat("y", 100)}, resp.Other, 0},
	}
	for _, tt := range tests {
		buf := resp.AppendCommand(nil, tt.args...)
		for cut := 0; cut <= len(buf); cut++ {
			s := resp.NewScanner(resp.Limits{})
			got, err := ends(s, buf, []int{cut})
			if err != nil || len(got) != 1 || got[0] != (end{len(buf), tt.kind, tt.db}) {
				t.Fatalf("%q cut at %d: %v, %v, want kind %d db %d", tt.args, cut, got, err, tt.kind, tt.db)
			}
		}
	}
}

type end struct {
	at   int
	kind resp.Kind
	db   int // of a Select
}

// ends feeds buf to s in pieces that end at the given indexes, and gives the ends that it found.
func ends(s *resp.Scanner, buf []byte, cuts []int) ([]end, error) {
	var out []end
	at := 0
	for _, cut := range append(cuts, len(buf)) {
		for at < cut {
			n, kind, err := s.Next(buf[at:cut])
			if err != nil {
				return out, err
			}
			at += n
			switch kind {
			case resp.None:
				if at != cut {
					return out, errors.New("None before the end of the piece")
				}
			case resp.Select:
				out = append(out, end{at, kind, s.DB()})
			default:
				out = append(out, end{at, kind, 0})
			}
			if s.Total() != int64(at) {
				return out, errors.New("wrong Total")
			}
		}
	}
	return out, nil
}

func TestAppendCommand(t *testing.T) {
	want := []byte("*2\r\n$4\r\nPING\r\n$0\r\n\r\n")
	if got := resp.AppendCommand(nil, "PING", ""); !bytes.Equal(got, want) {
		t.Errorf("strings: %q", got)
	}
	if got := resp.AppendCommand([]byte("x"), []byte("PING"), nil); !bytes.Equal(got[1:], want) {
		t.Errorf("bytes: %q", got)
	}
}
