# make demo   a small event-sourced shop, live, with its traces, handler metrics and Prometheus endpoint
# make test   every test; installs what they need
# make build  the product `clew` alone, optimised, in .build/release/clew
# make simulate  lives of the store on a simulated disk, by seed (SEEDS=20000 FIRST=1)
# make fuzz   every decoder under the fuzzer, SECONDS each; SECONDS=corpus writes a smaller corpus
# make sanitize  tests under the thread and the address sanitizer (SANITIZE=short|full)
# make bench  the figures of the README, as ratios against plain SQLite in one run (SIZE=quick|standard|large)

SWIFT ?= swift
SIZE ?= standard
SEEDS ?= 20000
FIRST ?= 1
SECONDS ?= 60
SANITIZE ?= short
BUILD_FLAGS = --explicit-target-dependency-import-check error
# The Swift runtime is linked in; the C libraries stay dynamic, so that the distribution patches them. Names of functions
# stay; line numbers would take an eighth of the build's CPU time and half of the program's size.
RELEASE_FLAGS = -c release --product clew --static-swift-stdlib -debug-info-format none $(BUILD_FLAGS)
# Tests are built beside the builds of whoever works here: partly optimised, every check on (Package.swift).
TEST_FLAGS = --scratch-path .build-tests

.PHONY: demo test python-clients simulate fuzz sanitize build bench format lint clean packages-build packages-test packages-bench

demo: build
	@if [ -t 0 ] && [ -t 1 ]; then exec .build/release/clew demo; else exec .build/release/clew demo --for 45s; fi

build: packages-build
	$(SWIFT) build $(RELEASE_FLAGS)

test: packages-test python-clients lint
	CLEW_TESTS=1 $(SWIFT) build $(TEST_FLAGS) $(BUILD_FLAGS) --build-tests
	CLEW_TESTS=1 $(SWIFT) test $(TEST_FLAGS) --skip-build

lint:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests Benchmarks

format:
	$(SWIFT) format --in-place --recursive Package.swift Sources Tests Benchmarks

# Clients that other people wrote, for the tests of the KurrentDB test server.
python-clients: packages-test
	@.ci/install-python-clients

# The store on a simulated disk, SEEDS lives from FIRST on, with faults, kills and losses of power; and as many scripts
# of events against the store in memory.
simulate: packages-test
	CLEW_TESTS=1 $(SWIFT) build $(TEST_FLAGS) $(BUILD_FLAGS) --build-tests
	CLEW_TESTS=1 CLEW_SEEDS=$(SEEDS) CLEW_FIRST_SEED=$(FIRST) $(SWIFT) test $(TEST_FLAGS) --skip-build --filter 'SimulationTests|StoreDifferentialTests'

fuzz: packages-build
	Tests/Fuzz/run $(SECONDS)

sanitize: packages-test
	Tests/Sanitizers/run $(SANITIZE)

bench: packages-bench
	Benchmarks/run $(SIZE)

clean:
	$(SWIFT) package clean
	rm -rf .build-tests

packages-build packages-test packages-bench:
	@.ci/install-packages $(patsubst packages-%,%,$@)
