# keyfeed. `make` prints this help; every target does its own set-up.

SHELL       := /bin/bash -o pipefail
GO          ?= go
TOOLS       := $(CURDIR)/.cache/bin
LINT        := $(TOOLS)/golangci-lint
LINT_VERSION := v2.15.0
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME    ?= 30s
BENCHTIME   ?= 1s
SERVERS     ?= redis,redis-6.2,redis-7.4,valkey-9
# What comes over the network may fail for a moment.
try         = for i in 1 2 3; do if [ $$i -gt 1 ]; then sleep 10; fi; if $(1); then exit 0; fi; done; exit 1

.DEFAULT_GOAL := help
.PHONY: help build demo test e2e e2e-long torture generated verify-million lint fmt fuzz fuzz-ci fuzz-one bench cover mutants generate ci modules redis

help: ## print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/keyfeed
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/keyfeed ./cmd/keyfeed

demo: redis build ## a live Redis becomes a change stream, is killed, and loses nothing (under a minute)
	$(GO) run ./internal/demo -keyfeed bin/keyfeed

test: redis ## all tests with the race detector: real redis-server, nats-server, kfake, Apache Kafka where mvn and java are
	$(GO) test -race -shuffle=on -count=1 -timeout 15m ./...

e2e: redis ## end to end against the built binary, short form: all but the torture, the generated commands and the replay from a real Kafka
	$(GO) test -tags e2e -count=1 -timeout 20m -v -skip '^TestTorture|^TestReplayCommandKafka$$|^TestGenerated$$' ./internal/e2e/...

e2e-long: redis ## end to end, full form: 200,000 keys, 60 s of writes, 5 restarts, 2 sink cuts, per sink
	KEYFEED_E2E=long $(GO) test -tags e2e -count=1 -timeout 60m -v -skip '^TestTorture|^TestGenerated$$' ./internal/e2e/...

torture: redis ## faults of every kind under load, each event counted; long form: DURATION=15m per sink; SEED= replays; FAULTS=kill,broker
	@mkdir -p .cache
	$(if $(DURATION),KEYFEED_TORTURE_DURATION=$(DURATION)) $(if $(FAULTS),KEYFEED_TORTURE_FAULTS=$(FAULTS)) \
	$(if $(SEED),KEYFEED_E2E_SEED=$(SEED)) $(GO) test -tags e2e -count=1 -timeout 120m -v -run '^TestTorture' \
	  -artifacts -outputdir $(CURDIR)/.cache ./internal/e2e

generated: redis ## 200,000 generated commands to each of SERVERS (redis,redis-6.2,redis-7.4,valkey-9), replayed and compared at 20 checkpoints; SEED= replays
	KEYFEED_GENERATED_SERVERS=$(SERVERS) $(if $(SEED),KEYFEED_E2E_SEED=$(SEED)) \
	$(GO) test -tags e2e -count=1 -timeout 60m -v -run '^TestGenerated$$' ./internal/e2e

verify-million: redis ## keyfeed verify over 1,000,000 keys with five planted changes; prints time and memory
	KEYFEED_VERIFY_KEYS=1000000 $(GO) test -count=1 -timeout 30m -v -run '^TestVerifyFindsWhatIsPlanted$$' ./cmd/keyfeed

lint: $(LINT) ## golangci-lint, gofumpt, import rules, generated files
	$(LINT) run ./...

fmt: $(LINT) ## format everything
	$(LINT) fmt ./...

fuzz: ## every fuzz target for FUZZTIME (30s)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    $(MAKE) --no-print-directory fuzz-one PKG=$$pkg TARGET=$$target; \
	  done; done

fuzz-ci: ## the fuzz targets of what comes from outside: RESP, RDB, segments; two at a time
	@$(MAKE) --no-print-directory -j2 fuzz-ci-FuzzCommand fuzz-ci-FuzzScanner fuzz-ci-FuzzDecode fuzz-ci-FuzzSegmentRecovery

fuzz-ci-FuzzCommand fuzz-ci-FuzzScanner: PKG = ./internal/resp
fuzz-ci-FuzzDecode:                      PKG = ./snapshot/rdb
fuzz-ci-FuzzSegmentRecovery:             PKG = ./backlog
fuzz-ci-%:
	@$(MAKE) --no-print-directory fuzz-one PKG=$(PKG) TARGET=$*

# The fuzzer of Go fails with "context deadline exceeded" when its time ends inside an input. That is no finding: a
# finding names the file that its input was written to.
fuzz-one:
	@mkdir -p .cache; log=.cache/fuzz-$(TARGET).log; echo "$(PKG) $(TARGET)"; \
	$(GO) test -run '^$$' -fuzz '^$(TARGET)$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $(PKG) 2>&1 | tee $$log; \
	status=$${PIPESTATUS[0]}; \
	if [ $$status -ne 0 ] && grep -q '^    context deadline exceeded' $$log \
	  && ! grep -q -e 'Failing input' -e panic $$log; then \
	  echo "the time ended inside an input; no finding"; status=0; \
	fi; exit $$status

mutants: ## 300,000 damaged RDB files: no panic, no hang, at most 256 MB
	KEYFEED_RDB_MUTANTS=300000 $(GO) test -count=1 -timeout 30m -run '^TestMutants$$' -v ./snapshot/rdb

bench: redis ## benchmarks, each beside its yardstick in one run
	@echo "== ingest to disk against a bare socket-to-file drain of the same stream; wanted: ratio >= 0.9 written; synced every 100 ms beside"
	$(GO) test -run '^$$' -bench Drain -benchtime 10x ./ingest
	@echo "== decode and encode of the stream, 100-byte SETs; wanted: >= 1 M commands/s per core"
	$(GO) test -run '^$$' -bench Decode -benchmem -benchtime $(BENCHTIME) -cpu 1 ./internal/command
	@echo "== RDB decode, checksum verified, against github.com/hdt3213/rdb; wanted: x_library >= 2 on each set"
	$(GO) test -run '^$$' -bench AgainstLibrary -benchtime 3x ./snapshot/rdb
	@echo "== Kafka: exactly once against at least once, the same events in one run; wanted: ratio >= 0.8"
	$(GO) test -run '^$$' -bench Delivery -benchtime 400000x ./sinks/kafka
	@echo "== JetStream: exactly-once (fast, atomic, single) against plain asynchronous publishing of the same events"
	$(GO) test -run '^$$' -bench Publish -benchtime 3x ./sinks/nats
	@echo "== the rest"
	$(GO) test -run '^$$' -bench 'Append|Cursor|Cutter|Scanner|Command|Write|Discard' -benchmem -benchtime $(BENCHTIME) \
	  ./backlog ./internal/event ./internal/resp ./sinks/...

cover: redis ## coverage of make test, as coverage.html
	$(GO) test -coverprofile coverage.out ./... && $(GO) tool cover -html coverage.out -o coverage.html

generate: ## regenerate tables and docs
	$(GO) generate ./...

ci: modules lint test fuzz-ci e2e torture ## what .ci/run runs

modules: # what the tests need, so that none of them has to wait for it
	@$(call try,$(GO) list -deps -test -tags e2e ./... >/dev/null)

redis:
	@command -v redis-server >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing redis-server with apt"; \
	  $(call try,apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 install -y redis-server >/dev/null); \
	else \
	  echo "redis-server is missing. Install it, on Debian: sudo apt-get install redis-server" >&2; exit 1; \
	fi

$(LINT):
	@$(call try,GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION))
