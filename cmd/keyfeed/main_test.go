package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"keyfeed/internal/testenv"
)

// beKeyfeed is the variable that makes this test's program keyfeed itself, for processes that are killed.
const beKeyfeed = "TEST_BE_KEYFEED"

func TestMain(m *testing.M) {
	if os.Getenv(beKeyfeed) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"keyfeed": main})
}

// TestScripts runs the command line as a manual would show it. $REDIS is a server of its own for each script, with a
// password; $OTHER holds the same, by a replay, and $THIRD something else.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("FREE_ADDR", testenv.FreeAddr(t))
			env.Setenv("HTTP_ADDR", testenv.FreeAddr(t))
			src := testenv.Redis(t, testenv.Set("repl-diskless-sync-delay", "0"), testenv.Set("requirepass", "sesame"))
			env.Setenv("REDIS", "redis://"+src.Addr())
			if err := src.Client().Set(t.Context(), "greeting", "hello", 0).Err(); err != nil {
				return err
			}
			other, third := testenv.Redis(t), testenv.Redis(t)
			env.Setenv("OTHER", other.URL())
			env.Setenv("THIRD", third.URL())
			if err := errors.Join(
				other.Client().Set(t.Context(), "greeting", "hello", 0).Err(),
				other.Client().HSet(t.Context(), "keyfeed:replay", "id", "1").Err(), // what a replay left there
				third.Client().Set(t.Context(), "greeting", "adieu", 0).Err(),
				third.Client().RPush(t.Context(), "only\n\xff", "v").Err(),
			); err != nil {
				return err
			}
			env.Setenv("RDB", src.Dir)
			return src.Client().Save(t.Context()).Err()
		},
	})
}

// TestVerifyExitCodes has the codes of docs/verify.md; a script can only tell zero from the others.
func TestVerifyExitCodes(t *testing.T) {
	locked, open := testenv.Redis(t, testenv.Set("requirepass", "sesame")), testenv.Redis(t)
	if err := open.Client().Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	secure := testenv.Redis(t, testenv.TLS())
	withTLS := []string{
		"KEYFEED_SOURCE_URL=" + secure.URL(), "KEYFEED_SOURCE_TLS_CA_FILE=" + secure.CAFile(), "KEYFEED_TARGET_URL=" + secure.URL(),
	}
	login := func(password string) []string {
		return []string{"KEYFEED_SOURCE_URL=" + locked.URL(), "KEYFEED_SOURCE_PASSWORD=" + password}
	}
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    int
	}{
		{"equal", login("sesame"), []string{"verify", "-target", "redis://:sesame@" + locked.Addr()}, exitOK},
		{"different", login("sesame"), []string{"verify", "-recheck", "0", "-target", open.URL()}, exitError},
		{"equal over TLS", append(withTLS, "KEYFEED_TARGET_TLS_CA_FILE="+secure.CAFile()), []string{"verify"}, exitOK},
		{"certificate that is not trusted", withTLS, []string{"verify"}, exitOperator},
		{"nothing listens", login("sesame"), []string{"verify", "-target", "redis://" + testenv.FreeAddr(t)}, exitError},
		{"no target", login("sesame"), []string{"verify"}, exitConfig},
		{"unknown option", login("sesame"), []string{"verify", "-fast"}, exitConfig},
		{"bad URL", login("sesame"), []string{"verify", "-target", "http://h"}, exitConfig},
		{"wrong password", login("guess"), []string{"verify", "-target", open.URL()}, exitOperator},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs strings.Builder
			got := run(t.Context(), process{args: tt.args, environ: tt.environ, stdout: &out, stderr: &errs})
			if got != tt.want {
				t.Errorf("exit code %d, want %d\n%s%s", got, tt.want, out.String(), errs.String())
			}
			if equal := strings.Contains(out.String(), "EQUAL"); equal != (tt.want == exitOK) {
				t.Errorf("says %q with exit code %d", out.String(), got)
			}
		})
	}
}
