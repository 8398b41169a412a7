package nats

import "testing"

func TestVersions(t *testing.T) {
	for version, want := range map[string][2]bool{ // from 2.12, from 2.14
		"":              {false, false},
		"garbage":       {false, false},
		"2":             {false, false},
		"2.9.10":        {false, false},
		"2.11.17":       {false, false},
		"2.12.0":        {true, false},
		"2.13.9-beta.1": {true, false},
		"2.14.0":        {true, true},
		"2.15.2":        {true, true},
		"3.0.0":         {true, true},
		"1.99.0":        {false, false},
	} {
		if got := [2]bool{atLeast(version, 12), atLeast(version, 14)}; got != want {
			t.Errorf("version %q is at least 2.12 and 2.14: %v, want %v", version, got, want)
		}
	}
}
