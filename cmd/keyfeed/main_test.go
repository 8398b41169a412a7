package main

import (
	"os"
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

// TestScripts runs the command line as a manual would show it. $REDIS is a server of its own for each script.
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
			env.Setenv("RDB", src.Dir)
			return src.Client().Save(t.Context()).Err()
		},
	})
}
