package kafkaenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Version is the Apache Kafka that tests run against. It needs Java 17.
const Version = "4.4.0"

// errMissing is wrapped where this machine cannot run Kafka; Start then skips the test.
var errMissing = errors.New("cannot run Apache Kafka here")

// pom asks for the broker and for a logger that writes to stderr, which the broker itself leaves to its distribution.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>keyfeed</groupId>
  <artifactId>kafkaenv</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>` + Version + `</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`

// downloadAttempts is how often Maven is asked: a repository may fail for a moment, and what has come is not asked for again.
const downloadAttempts = 3

const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

// jars returns the directory that holds Kafka's jars, and fills it first when this machine has none yet.
func jars(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("%w: java is missing; install openjdk-17-jre-headless", errMissing)
	}
	cache, err := cacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: finding a cache directory: %w", errMissing, err)
	}
	if err := os.MkdirAll(cache, 0o750); err != nil {
		return "", fmt.Errorf("making the cache directory: %w", err)
	}
	dir := filepath.Join(cache, "kafka-"+Version)
	unlock, err := lock(filepath.Join(cache, "kafka.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := download(ctx, cache, dir); err != nil {
		return "", err
	}
	return dir, nil
}

func cacheDir() (string, error) {
	if dir := os.Getenv("KEYFEED_TEST_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "keyfeed-test"), nil
}

// lock waits for the lock file; the kernel drops the lock when the process ends, however it ends.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the download lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("taking the download lock: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// download lets Maven copy the jars into a directory beside dir and renames it when it is whole.
func download(ctx context.Context, cache, dir string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("%w: mvn is missing; install maven", errMissing)
	}
	work, err := os.MkdirTemp(cache, "download-")
	if err != nil {
		return fmt.Errorf("making a download directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	pomFile := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(pomFile, []byte(pom), 0o600); err != nil {
		return fmt.Errorf("writing the pom: %w", err)
	}
	lib := filepath.Join(work, "lib")
	for attempt := 1; ; attempt++ {
		cmd := exec.CommandContext(ctx, mvn, "-B", "-q", "-U", "-f", pomFile, copyDependencies,
			"-DincludeScope=runtime", "-DoutputDirectory="+lib)
		out, err := cmd.CombinedOutput()
		if err == nil {
			break
		}
		if attempt == downloadAttempts || ctx.Err() != nil {
			return fmt.Errorf("%w: downloading it with mvn, %d times: %w\n%s", errMissing, attempt, err, tail(out, 2000))
		}
	}
	if err := os.Rename(lib, dir); err != nil {
		return fmt.Errorf("moving the jars into the cache: %w", err)
	}
	return nil
}

func tail(out []byte, n int) string {
	if len(out) > n {
		out = out[len(out)-n:]
	}
	return strings.TrimSpace(string(out))
}
