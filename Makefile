# Everything here may be run again at any time; what is done already costs nothing.

SHELL := /bin/bash
.DEFAULT_GOAL := help
# Parallelism is inside the builds and test runs; the steps here follow one another.
.NOTPARALLEL:

export KITE_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kite
include tools/versions

JOBS ?= $(shell nproc)
DATA ?= ./kite-data
IMAGE ?= kite:latest
KITE_BIN := $(CURDIR)/build/release/kite
PYTEST_ARGS ?=
# What "on servers" means for tests/harness/stores.py.
SERVERS := etcd+kafka+s3

# configure-and-build(preset, targets): configuring is left to the generator once the folder is there.
define configure-and-build
	@test -f build/$(1)/build.ninja || cmake --preset $(1)
	cmake --build build/$(1) --parallel $(JOBS) $(2)
endef

# pytest-folder(folder, pymilvus version, stores): nothing to do where the folder does not exist (yet). Without stores,
# those of KITE_STORES, else embedded.
define pytest-folder
	@if [ -d $(1) ]; then \
	  export KITE_STORES="$(or $(3),$(KITE_STORES),embedded)"; \
	  echo "== $(1), pymilvus $(2), stores: $$KITE_STORES"; \
	  KITE_BIN='$(KITE_BIN)' '$(KITE_CACHE)/venv-pymilvus-$(2)/bin/python' -m pytest -q -p no:cacheprovider \
	    $(1) $(PYTEST_ARGS); \
	else echo "== $(1) does not exist, skipped"; fi
endef

.PHONY: help
help: ## this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(firstword $(MAKEFILE_LIST)) | sort | \
	  awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## install what is missing (packages, Arrow, the wire contract, test clients)
	@tools/setup.sh

# The servers that tests start: etcd, MinIO and others.
.PHONY: setup-cluster
setup-cluster:
	@tools/setup.sh cluster

.PHONY: build
build: setup ## the release build: build/release/kite
	$(call configure-and-build,release)

.PHONY: run
run: build ## build, then start a standalone server on ./kite-data (DATA=...)
	@test -x '$(KITE_BIN)' || { echo "build/release/kite was not built" >&2; exit 1; }
	@echo
	@echo "Kite starts on localhost:19530, data in $(DATA). Ctrl-C stops it. In another terminal:"
	@echo "  curl localhost:9091/readyz"
	@echo "  $(KITE_CACHE)/venv-pymilvus-$(PYMILVUS_VERSION)/bin/python -c \\"
	@echo "    'from pymilvus import MilvusClient; print(MilvusClient(\"http://localhost:19530\").list_collections())'"
	@echo
	@exec '$(KITE_BIN)' run standalone --data '$(DATA)'

.PHONY: test
test: unit integration ## unit tests, then the clients' tests against real servers

.PHONY: unit
unit: setup-cluster build ## unit tests only
	cd build/release && ctest --output-on-failure --parallel $(JOBS)

.PHONY: integration
integration: setup-cluster build ## the clients' tests only: on embedded stores, and with the older pymilvus on servers
	$(call pytest-folder,tests/integration,$(PYMILVUS_VERSION))
	$(call pytest-folder,tests/integration,$(PYMILVUS_OLD_VERSION),$(SERVERS))
	$(call pytest-folder,tests/property,$(PYMILVUS_VERSION))
	$(call pytest-folder,tests/soak,$(PYMILVUS_VERSION))
	KITE_SOAK_CYCLES=2 $(MAKE) --no-print-directory soak-servers

.PHONY: soak-servers
soak-servers: # the crash oracle on store servers that are killed and stopped
	$(call pytest-folder,tests/soak,$(PYMILVUS_VERSION),$(SERVERS))

.PHONY: soak
soak: setup-cluster build ## 300 cycles of kill -9, 200 of power loss, 60 of faulty brokers, 10 000 filters, 1 000 searches
	KITE_SOAK_CYCLES=300 $(MAKE) --no-print-directory soak-clients
	KITE_SOAK_CYCLES=60 $(MAKE) --no-print-directory soak-servers
	cmake --build build/release --parallel $(JOBS) --target kite_fault_test
	KITE_CYCLES=200 build/release/kite_fault_test
	cmake --build build/release --parallel $(JOBS) --target kite_store_kafka_test
	KITE_CYCLES=60 build/release/kite_store_kafka_test --gtest_filter='KafkaFaultTest.*'

.PHONY: soak-clients
soak-clients:
	$(call pytest-folder,tests/soak,$(PYMILVUS_VERSION))
	$(call pytest-folder,tests/property,$(PYMILVUS_VERSION))

.PHONY: demo
demo: build ## questions to 12 000 descriptions of Debian packages, embedded and indexed (about 2 minutes)
	@tools/setup.sh demo
	@KITE_BIN='$(KITE_BIN)' KITE_MODEL='$(KITE_CACHE)/minilm-$(MINILM_VERSION)' \
	  '$(KITE_CACHE)/venv-demo/bin/python' demo $(DEMO_ARGS)

.PHONY: image
image: build ## the container image kite:latest, of this build (IMAGE=...)
	@rm -rf build/image && deploy/docker/stage.sh build/image build/release
	docker build -f deploy/docker/Dockerfile --target staged -t '$(IMAGE)' build/image

.PHONY: test-compose
test-compose: build ## the image and the compose files, in a container engine of the test's own (root, 5 minutes)
	@tools/setup.sh cluster compose
	$(call pytest-folder,tests/compose,$(PYMILVUS_VERSION))

.PHONY: test-image
test-image: build ## the image as docker build compiles it, in that engine (root, package mirrors, half an hour)
	@tools/setup.sh cluster compose
	KITE_COMPILE_IMAGE=1 $(MAKE) --no-print-directory test-compose PYTEST_ARGS='-k compiled $(PYTEST_ARGS)'

.PHONY: bench
bench: export KITE_MINIO = $(KITE_CACHE)/minio-$(MINIO_VERSION)/minio
bench: setup-cluster build ## the micro-benchmarks, then what the README's table is made with
	$(call configure-and-build,release,--target benchmarks)
	@for program in build/release/kite_*_bench; do \
	  [ -x $$program ] || continue; echo "== $$program"; $$program || exit 1; done
	@if [ -x bench/run ]; then KITE_BIN='$(KITE_BIN)' bench/run; fi

# Unit and fault tests run one at a time under a sanitizer: each takes several times its usual memory. Then the
# clients' tests with one pymilvus release; a report of a server fails the test that it is found in.
asan-ubsan tsan: KITE_BIN = $(CURDIR)/build/$@/kite
asan-ubsan tsan: export KITE_SLOWNESS = 4
asan-ubsan tsan: export PYTEST_TIMEOUT = 600

define sanitized-tests
	$(call configure-and-build,$(1))
	cd build/$(1) && ctest --output-on-failure
	$(call pytest-folder,tests/integration,$(PYMILVUS_VERSION))
	$(call pytest-folder,tests/soak,$(PYMILVUS_VERSION))
endef

.PHONY: asan-ubsan
asan-ubsan: setup-cluster ## unit and clients' tests under the address, leak and undefined-behaviour sanitizers
	$(call sanitized-tests,asan-ubsan)

.PHONY: tsan
tsan: setup-cluster ## unit and clients' tests under the thread sanitizer
	$(call sanitized-tests,tsan)

.PHONY: setup-clang
setup-clang:
	@tools/setup.sh clang

.PHONY: neon
neon: ## the engine compiled for 64-bit ARM, its kernels' tests in an emulator (3 minutes)
	@tools/setup.sh neon
	$(call configure-and-build,neon,--target kite_engine_test)
	qemu-aarch64 -L /usr/aarch64-linux-gnu build/neon/kite_engine_test --gtest_brief=1 --gtest_filter='*Kernels*'

.PHONY: fuzz
FUZZ_SECONDS ?= 60
fuzz: setup-clang ## every fuzzer for FUZZ_SECONDS (60); what it finds lands in build/fuzz
	$(call configure-and-build,fuzz,--target fuzzers)
	@tools/fuzz/run.sh build/fuzz $(FUZZ_SECONDS)

.PHONY: tidy
tidy: setup-clang ## clang-tidy and clang's warnings over our sources
	$(call configure-and-build,tidy)
	@tools/tidy.sh build/tidy $(JOBS)

.PHONY: format
format: setup-clang ## clang-format over our sources, in place
	@git ls-files '*.cc' '*.h' | xargs -r 'clang-format-$(CLANG_MAJOR)' -i

.PHONY: clean
clean: ## remove build/ (the caches outside of the checkout stay)
	rm -rf build
