# Every command that a person or CI runs: `make help` lists them.

TARGETS := amd64 arm64 armv7 armv6
# Bytes of a binary: what CI enforces, and an eighth of the Go agent's. Raising a limit is a change
# of its own, whose message says what was bought. These are what there is; the outputs (OTLP,
# Prometheus, organizations) and what shows the agent (status, diagnose, live, logs, top) were to
# cost 95,000 of amd64 and 85,000 of the others: 1,555,000, 1,294,000, 1,095,000 and 1,170,000.
LIMIT_amd64 := 1705000
LIMIT_arm64 := 1412000
LIMIT_armv7 := 1191000
LIMIT_armv6 := 1270000
# Of the binary in an image, whatever its platform.
LIMIT := $(LIMIT_amd64)
AIM_amd64 := 1024000
AIM_arm64 := 950000
AIM_armv7 := 1015000
AIM_armv6 := 1015000
# Platforms of the image, as Docker names them, and bytes of one of them, packed and unpacked.
PLATFORMS := linux/amd64 linux/arm64 linux/arm/v7 linux/arm/v6
IMAGE := dist/mackerel-agent_image.oci.tar
IMAGE_LIMIT := 1850000
# What `make ci` tries: a foreign one.
TRIED := linux/arm64
# Minutes of the window of `make bench`; BENCH has more of its options (target/debug/examples/bench
# --help).
BENCH_MINUTES := 4

# The one that is new enough, if there are several.
CARGO := cross/cargo
DEBUG := target/debug
FAKE_SERVER := $(DEBUG)/fake-server
SHIPPED = $(CURDIR)/dist/mackerel-agent_linux_$(1)
# Targets on which `make test-crypto` runs the vectors: a 64-bit one, and the one that needs most
# care.
CRYPTO := amd64 armv6
# The tests of the built program that an emulated one is asked to pass: `version`, `once`, the odd
# hosts, and registering and posting over TLS.
EMULATED := help:: once:: tls::both_versions tls::handshakes register::a_new_host_is_registered post::values_arrive post::a_host_without hosts::
# Unit tests that `make check` leaves out: those that start processes.
NO_PROCESSES := --skip sys::exec --skip settings::load --skip plugins
# Tests of the built program wait more than they compute.
TEST_THREADS := $(shell expr 2 \* $$(nproc))

# Of `make test-live`: seconds for which the page is watched.
LIVE_SECONDS := 20

# Of `make fuzz`: seconds for each target, and what the inputs are made from.
FUZZ_SECONDS := 20
FUZZ_SEED := 1

# Of `make bless`: what it writes.
BLESSED := tests/golden/hosts tests/golden/otlp docs/configuration.md packaging/mackerel-agent.conf

.DEFAULT_GOAL := help
# Every target that `make help` lists.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*## .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## Install what building takes: a Rust that is new enough, a C compiler (the others call it)
	@tests/setup

# And what one of them takes besides.
needs-%:
	@tests/setup $*

setup-dist: ## Install what the release binaries need: zig, std's source
	@cross/setup build

setup-cross: ## And what runs those of other machines: qemu-user
	@cross/setup

run: needs-run ## Report this host to a stand-in for Mackerel (or, with MACKEREL_APIKEY, to Mackerel) and print it; OUTPUT=otlp or prometheus for these
	$(CARGO) build --locked --package mackerel-agent --package fake-server --bins --example uptime
	@OUTPUT=$(OUTPUT) tests/fake-server/run $(DEBUG)/mackerel-agent $(FAKE_SERVER) target/run $(DEBUG)/examples

build: setup ## Build the agent for this machine, not optimised
	$(CARGO) build --locked

check: needs-lint ## Check format and lints, and run the unit tests that start no process (within a minute, once built)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked --bin mackerel-agent -- $(NO_PROCESSES)

test: needs-test ## Run every test but the slow ones, and try again the inputs in fuzz/corpus (within five minutes, once built)
	@begin=$$(date +%s); \
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --workspace && \
	$(CARGO) run --quiet --locked --example fuzz -- --replay && \
	echo "test: took $$(($$(date +%s) - begin)) s"

test-slow-parts: needs-test ## Run the slow tests of the program's parts
	@begin=$$(date +%s); $(CARGO) test --locked --bin mackerel-agent -- --ignored slow_ && \
	echo "test-slow: the program's parts took $$(($$(date +%s) - begin)) s"

test-slow: test-slow-parts ## Run the tests that take long by their nature (AGENT_BIN=… for another program)
	@begin=$$(date +%s); RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --test agent -- --ignored slow_ && \
	echo "test-slow: the program took $$(($$(date +%s) - begin)) s"

bless: setup ## Renew the golden files of the hosts in tests/fixtures and the files made of the settings; show what has changed
	BLESS=1 $(CARGO) test --locked --bin mackerel-agent -- commands::hosts::every_host made_of_the_table
	git --no-pager diff -- $(BLESSED)
	git status --short -- $(BLESSED)

page: needs-run ## Pack the live page after a change of src/listen/page/page.html
	src/listen/page/pack

lint: needs-lint check-docs ## Check format, lints and documents; warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

check-docs: ## Check links, anchors, commands, variables and settings in the documents (a second)
	python3 tests/docs/cases
	python3 tests/docs/check

deny: setup ## Check which crates, licences and sources are locked (deny.toml); needs no network but for cargo-deny itself
	@deny=$$(cross/tool/get cargo-deny) && "$$deny" --locked check bans licenses sources

fmt: ## Format the sources
	$(CARGO) fmt --all

fuzz: setup ## Feed every parser damaged input (FUZZ_SECONDS=20 each, FUZZ_SEED=1; FUZZ="config stat" for some)
	$(CARGO) build --locked --profile fuzz --example fuzz
	target/fuzz/examples/fuzz --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED) $(FUZZ)

fuzz-coverage: setup ## The same, led by what an input reaches: libFuzzer (FUZZ_SECONDS=600 each; FUZZ="config …"; MERGE=1)
	fuzz/guided $(if $(filter file,$(origin FUZZ_SECONDS)),600,$(FUZZ_SECONDS)) $(FUZZ)

test-spool: needs-test ## Kill agents 400 times during outages and damage every bit of a spool (ten minutes; AGENT_BIN=… for another)
	$(CARGO) test --locked --test agent spool:: -- --include-ignored --nocapture

dist: setup-dist ## Build the four static binaries, check them, and write dist/SHA256SUMS
	@printf '%s\n' $(TARGETS) | xargs -n 1 -P 2 sh -c 'begin=$$(date +%s); cross/build $$0 || exit 255; \
		echo "dist: $$0 took $$(($$(date +%s) - begin)) s"'
	@$(MAKE) --no-print-directory dist-check sbom
	cd dist && sha256sum $(TARGETS:%=mackerel-agent_linux_%) >SHA256SUMS && cat SHA256SUMS

dist-check: ## Check that the binaries in dist/ are static, stripped, small, and for their machine
	@for pair in $(foreach target,$(TARGETS),$(target)=$(LIMIT_$(target))); do \
		cross/check $${pair%=*} dist/mackerel-agent_linux_$${pair%=*} $${pair#*=} \
			dist/debug/mackerel-agent_linux_$${pair%=*}.debug || exit 1; \
	done

test-dist: needs-test ## Run the tests of the built program, slow ones too, on the amd64 binary of dist/
	AGENT_BIN=$(call SHIPPED,amd64) RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --test agent
	AGENT_BIN=$(call SHIPPED,amd64) RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --test agent -- --ignored slow_

test-outputs: needs-test ## Check Prometheus text, OTLP and the documented queries of the amd64 binary of dist/ against programs of others (three minutes; AGENT_BIN=… for another)
	$(CARGO) build --locked --package fake-server
	tests/peers/run outputs $(or $(AGENT_BIN),$(call SHIPPED,amd64)) $(FAKE_SERVER)

test-peers: needs-test ## Before a release: send OTLP from the amd64 binary of dist/ to Rotel, grpc-go, grpc-js, Envoy and nginx (five minutes; AGENT_BIN=… for another)
	tests/peers/run stacks $(or $(AGENT_BIN),$(call SHIPPED,amd64))

test-queries: needs-test ## The queries of docs/opentelemetry.md alone: by promtool, beside Mackerel's values (three minutes; AGENT_BIN=… for another)
	$(CARGO) build --locked --package fake-server
	tests/peers/run queries $(or $(AGENT_BIN),$(call SHIPPED,amd64)) $(FAKE_SERVER)

test-live: setup ## Look at the live page of dist/'s amd64 binary in Chromium (AGENT_BIN=… for another; LIVE_SECONDS=60 before a release)
	$(CARGO) build --locked --package fake-server
	@begin=$$(date +%s); \
	tests/live/run $(or $(AGENT_BIN),$(call SHIPPED,amd64)) $(FAKE_SERVER) target/live $(LIVE_SECONDS) && \
	echo "test-live: took $$(($$(date +%s) - begin)) s"

test-root-boundary: needs-test ## Let the agent's user prepare traps for root: install, upgrade, uninstall, hooks (as root; dist/'s amd64 binary)
	AGENT_BIN=$(or $(AGENT_BIN),$(call SHIPPED,amd64)) $(CARGO) test --locked --test boundary -- --all

test-crypto: needs-test setup-cross ## Run published vectors through the cryptography, with the flags of a release (CRYPTO="amd64 arm64 ...")
	@printf '%s\n' $(CRYPTO) | xargs -n 1 -P 2 sh -c 'cross/build $$0 vectors || exit 255'
	@for name in $(CRYPTO); do \
		runner=$$(awk -v name=$$name '$$1 == name && $$7 != "-" { sub(/.*  /, ""); print }' cross/targets); \
		echo "$$name$${runner:+ by $$runner}"; \
		$$runner target/cross/$$name/vectors || exit 1; \
	done

soak: needs-test setup-cross ## Run 5,000 plugins for 20 minutes, and fewer on emulated armv6, and watch what the agent holds (before a release)
	$(CARGO) build --locked --example soak
	$(DEBUG)/examples/soak $(call SHIPPED,amd64)
	$(DEBUG)/examples/soak --plugins 100 --minutes 4 --runner "qemu-arm-static -cpu arm1176" $(call SHIPPED,armv6)

soak-short: needs-test ## The same with 5,000 runs, for three minutes
	$(CARGO) build --locked --example soak
	$(DEBUG)/examples/soak --plugins 2500 --minutes 2 $(call SHIPPED,amd64)

test-emulated: needs-test setup-cross ## Run some of them on the ARM binaries of dist/, emulated
	$(CARGO) test --locked --test agent --no-run
	@awk '!/^#/ && $$7 != "" && $$7 != "-"' cross/targets | while read -r name _ _ _ _ _ emulator; do \
		echo "$$name by $$emulator"; \
		AGENT_BIN=$(call SHIPPED,$$name) AGENT_RUNNER="$$emulator" \
			$(CARGO) test --locked --test agent -- $(EMULATED) </dev/null || exit 1; \
	done

test-pi-boards: ## Boot the ARM binaries of dist/ on an emulated Raspberry Pi 1, Zero W and 3 (Debian 12 only)
	tests/pi/fetch
	tests/pi/boards

test-pi: setup test-pi-boards ## And on an emulated machine with a network and a disk, whose clock is wrong and whose power fails
	$(CARGO) build --locked --package fake-server
	tests/pi/virt $(FAKE_SERVER)

test-cgroup: setup ## Hold what agents post about containers on an emulated machine to what its kernel says (TREES="v2 v1 hybrid")
	tests/pi/fetch amd64
	$(CARGO) build --locked --package fake-server
	tests/pi/cgroup $(FAKE_SERVER) $(or $(TREES),v2 v1 hybrid)

size: ## Write the sizes of dist/ into size-report.md, beside Go's; fail if one is over its limit
	cross/size size-report.md $(foreach target,$(TARGETS),$(target)=$(LIMIT_$(target)):$(AIM_$(target)))

bloat: ## Say what amd64's (BLOAT=arm64 …) binary in dist/ is made of, by crate, and its largest functions
	@cross/bloat $(or $(BLOAT),amd64) 40

reproducible: setup-dist ## Build amd64 again in another folder (REPRODUCIBLE="amd64 arm64 …" for more) and compare the bytes
	cross/reproducible $(or $(REPRODUCIBLE),amd64)

bench: needs-bench ## Measure memory, CPU and system calls of dist/'s amd64 binary (GO_AGENT=… for Go's beside it)
	$(CARGO) build --locked --example bench
	$(DEBUG)/examples/bench --minutes $(BENCH_MINUTES) $(BENCH) dist/mackerel-agent_linux_amd64

compare: needs-compare ## Compare `once` with df, ip and /proc of this machine (GO_AGENT=… for Go's `once`, AGENT=… for another of ours)
	$(CARGO) build --locked --bin mackerel-agent --example compare
	$(DEBUG)/examples/compare $(or $(AGENT),$(DEBUG)/mackerel-agent)

packages: ## Make a deb and an rpm of each program in dist/ by nfpm (MAINTAINER="name <address>"); check by lintian and rpmlint
	packaging/package dist $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -n 1)

test-install: setup ## Install dist/'s amd64 binary on hosts made for it (as root; Debian's registry; ONLY="systemd deb …")
	$(CARGO) build --locked --package fake-server
	tests/install/run dist/mackerel-agent_linux_amd64 $(FAKE_SERVER) target/test-install

release: ## All of a release but uploading: VERSION=0.1.0 KEY=private.pem RELEASES=https://… MAINTAINER="name <address>"
	MAKE="$(MAKE)" packaging/release "$(VERSION)" "$(or $(CHECKS),ci)"

image: ## Build the image for this machine (docker buildx, buildah or podman) into dist/
	cross/image $(IMAGE) linux/$(shell uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/; s/armv7l/arm\/v7/; s/armv6l/arm\/v6/')

image-all: sbom ## Build the image for all platforms into one archive in dist/
	cross/image $(IMAGE) $(PLATFORMS)

image-archive: sbom test-image-all ## Put the images of all platforms, tried, into dist/ (`make release` calls it)
	@for target in $(TARGETS); do \
		cmp target/image/mackerel-agent_linux_$$target $(call SHIPPED,$$target) || \
			{ echo "image-archive: $$target in the image is not that of dist/: of another commit, or compiler" >&2; exit 1; }; \
	done
	gzip -9nc target/image/mackerel-agent.oci.tar >$(IMAGE).gz

image-pin: ## Write the digests of the base images into the Dockerfile, as a registry gives them now
	cross/pin

image-reproducible: ## Build an image again from nothing in another folder (REPRODUCIBLE="linux/amd64 …") and compare the layers
	BINARY_LIMIT=$(LIMIT) IMAGE_LIMIT=$(IMAGE_LIMIT) tests/image/reproducible $(or $(REPRODUCIBLE),linux/amd64)

test-image: setup ## Build the arm64 image by buildah, check it and run it, as root
	$(CARGO) build --locked --package fake-server
	FAKE_SERVER=$(FAKE_SERVER) BINARY_LIMIT=$(LIMIT) IMAGE_LIMIT=$(IMAGE_LIMIT) tests/image/run $(TRIED)
	tests/image/report size-report.md target/image/found $(IMAGE_LIMIT)

test-image-all: ## The same for all platforms, before a release
	@$(MAKE) --no-print-directory test-image TRIED="$(PLATFORMS)"

test-sidecar: setup ## Run the image as users run it, by podman and Docker: 16 MiB, restarts, signals (as root, six minutes)
	$(CARGO) build --locked --package fake-server
	FAKE_SERVER=$(FAKE_SERVER) BINARY_LIMIT=$(LIMIT) IMAGE_LIMIT=$(IMAGE_LIMIT) tests/image/sidecar

test-manifests: setup setup-dist ## Check packaging/container/ and the SBOM against published schemas, and the notices against the SBOM
	$(CARGO) build --locked --bin mackerel-agent
	tests/manifests/run $(DEBUG)/mackerel-agent

sbom: setup-dist ## Write the bill of materials of the binaries into dist/, as CycloneDX, and the notices of what is linked
	cross/sbom dist/mackerel-agent.cdx.json dist/THIRD-PARTY-NOTICES.txt

ci: ## All of the above that a change has to pass
	@for step in lint deny test test-slow-parts test-manifests dist test-crypto test-dist test-outputs test-live test-root-boundary soak-short test-emulated test-pi-boards reproducible size test-image; do \
		begin=$$(date +%s); CI=1 $(MAKE) --no-print-directory $$step || exit 1; \
		echo "ci: $$step took $$(($$(date +%s) - begin)) s"; \
	done

clean: ## Remove what was built
	rm -rf target dist
