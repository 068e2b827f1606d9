# Every command that a person or CI runs: `make help` lists them.

# Names in cross/targets: of what CI builds and tests with every change, and of all, which a release
# has.
ALL_TARGETS := $(shell awk 'NF && $$1 !~ /[^a-z0-9]/ { print $$1 }' cross/targets)
TARGETS := $(shell awk '$$1 !~ /[^a-z0-9]/ && $$7 == "ci" { print $$1 }' cross/targets)
# Bytes of a binary: what CI enforces, and an eighth of the Go agent's. Raising a limit is a change
# of its own, whose message says what was bought. These are what there is. Outputs (OTLP, Prometheus,
# organizations) and what shows the agent (status, diagnose, live, logs, top) were to cost 95,000 of
# amd64 and 85,000 of the others, applets, plugin-install and wrap 150,000 and 135,000: 1,705,000,
# 1,429,000, 1,230,000 and 1,305,000 with what there was before.
LIMIT_amd64 := 1787000
LIMIT_arm64 := 1531000
LIMIT_armv7 := 1299000
LIMIT_armv6 := 1383000
# These have no aim of their own: what there was, rounded up by 2,000.
LIMIT_riscv64 := 1527000
LIMIT_386 := 1850000
LIMIT_s390x := 2041000
LIMIT_ppc64le := 2259000
AIM_amd64 := 1024000
AIM_arm64 := 950000
AIM_armv7 := 1015000
AIM_armv6 := 1015000
# Targets of which there is an image, their platforms as Docker names them, and bytes of one of them,
# packed and unpacked.
IMAGES := $(shell awk 'NF && $$1 !~ /[^a-z0-9]/ && $$2 != "-" { print $$1 }' cross/targets)
PLATFORMS := $(shell awk 'NF && $$1 !~ /[^a-z0-9]/ && $$2 != "-" { print "linux/" $$2 }' cross/targets)
IMAGE := dist/mackerel-agent_image.oci.tar
IMAGE_LIMIT := 1880000
IMAGE_LIMIT_386 := 1940000
IMAGE_LIMIT_s390x := 2130000
IMAGE_LIMIT_ppc64le := 2340000
# Words of tests/image/check: NAME=BYTES, or a number for all others.
BINARY_LIMITS := $(foreach name,$(IMAGES),$(name)=$(LIMIT_$(name)))
IMAGE_LIMITS := $(foreach name,$(IMAGES),$(IMAGE_LIMIT_$(name):%=$(name)=%)) $(IMAGE_LIMIT)
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
# hosts, registering and posting over TLS, the applets, the line of a crash, and the bytes of spool
# and OTLP beside those of this machine.
EMULATED := help:: once:: tls::both_versions tls::handshakes register::a_new_host_is_registered post::values_arrive post::a_host_without hosts:: applet_output_on signals::a_crash_leaves byte_order::
# And a big-endian one, for which QEMU translates the answers of netlink wrongly (tests/agent/no-netlink):
# those that do not describe the host.
EMULATED_BIG := help::help_lists help::version applet_output_on byte_order::
# Unit tests that `make check` leaves out: those that start processes.
NO_PROCESSES := --skip sys::exec --skip settings::load --skip plugins
# Tests of the built program wait more than they compute.
TEST_THREADS := $(shell expr 2 \* $$(nproc))

# Of `make test-live`: seconds for which the page is watched.
LIVE_SECONDS := 20

# Of `make fuzz`: seconds for each target, and what the inputs are made from.
FUZZ_SECONDS := 20
FUZZ_SEED := 1

# Of `make docs` and `make bless`: what they write.
GENERATED := docs/cli.md docs/configuration.md packaging/mackerel-agent.conf packaging/man packaging/completions
BLESSED := tests/golden/hosts tests/golden/applets tests/golden/otlp src/sys/http/authorities.bin $(GENERATED)

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

docs: setup ## Write the pages, man pages, completions and the sample that are made of the commands and settings
	@mkdir -p packaging/man packaging/completions
	BLESS=1 $(CARGO) test --quiet --locked --bin mackerel-agent -- reference::
	git status --short -- $(GENERATED)

charts: ## Write the Helm chart and kustomize's base, which are made of the manifests in packaging/container
	packaging/charts

bless: setup ## The same, and renew the golden files of the hosts in tests/fixtures; show what has changed
	BLESS=1 $(CARGO) test --locked --bin mackerel-agent -- commands::hosts::every_host made_of_the_table reference::
	BLESS=1 $(CARGO) test --locked --test agent -- applet_output_on
	git --no-pager diff -- $(BLESSED)
	git status --short -- $(BLESSED)

page: needs-run ## Pack the live page after a change of src/listen/page/page.html
	src/listen/page/pack

lint: needs-lint check-docs lint-scripts ## Check format, lints, scripts and documents; warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

lint-scripts: ## Check all scripts by shellcheck and all words by codespell, of PyPI (ten seconds, once installed)
	tests/docs/lint shellcheck codespell

lint-docs: lint-scripts ## Also links by lychee, workflows by actionlint, man pages and completions (before a release; 400 MB at first)
	tests/docs/lint lychee actionlint shells

check-docs: ## Check links, commands, settings, phrases, translations and answers in the documents (a second)
	python3 tests/docs/cases
	python3 tests/docs/check
	python3 tests/docs/questions >/dev/null

deny: setup ## Check which crates, licences and sources are locked (deny.toml); needs no network but for cargo-deny itself
	@deny=$$(cross/tool/get cargo-deny) && "$$deny" --locked check bans licenses sources

fmt: ## Format the sources
	$(CARGO) fmt --all

fuzz: setup ## Feed every parser damaged input (FUZZ_SECONDS=20 each, FUZZ_SEED=1; FUZZ="config stat" for some)
	$(CARGO) build --locked --profile fuzz --example fuzz
	target/fuzz/examples/fuzz --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED) $(FUZZ)

fuzz-coverage: setup ## The same, led by what an input reaches: libFuzzer (FUZZ_SECONDS=600 each; FUZZ="config …"; MERGE=1)
	fuzz/guided $(if $(filter file,$(origin FUZZ_SECONDS)),600,$(FUZZ_SECONDS)) $(FUZZ)

fleet: needs-test ## Print the figures of docs/fleet.md: what 10,000 simulated hosts ask of a server, and the bytes of one real host (FLEET_HOSTS=1000 for fewer)
	FLEET_HOSTS=$(or $(FLEET_HOSTS),10000) $(CARGO) test --locked --profile fuzz --bin mackerel-agent -- --ignored --nocapture fleet_figures_of_many_hosts
	$(CARGO) test --locked --test agent -- --ignored --nocapture slow_a_minute_costs_few_bytes

test-spool: needs-test ## Kill agents 400 times during outages and damage every bit of a spool (ten minutes; AGENT_BIN=… for another)
	$(CARGO) test --locked --test agent spool:: -- --include-ignored --nocapture

dist: setup-dist ## Build the static binaries that CI builds, check them, and write dist/SHA256SUMS
	@printf '%s\n' $(TARGETS) | xargs -n 1 -P 2 sh -c 'begin=$$(date +%s); cross/build $$0 || exit 255; \
		echo "dist: $$0 took $$(($$(date +%s) - begin)) s"'
	@$(MAKE) --no-print-directory dist-check sbom
	cd dist && sha256sum $(TARGETS:%=mackerel-agent_linux_%) >SHA256SUMS && cat SHA256SUMS

dist-all: ## The same for all targets of cross/targets, before a release
	@$(MAKE) --no-print-directory dist TARGETS="$(ALL_TARGETS)"

dist-check: ## Check that the binaries in dist/ are static, stripped, small, and for their machine
	@for pair in $(foreach target,$(TARGETS),$(target)=$(LIMIT_$(target))); do \
		cross/check $${pair%=*} dist/mackerel-agent_linux_$${pair%=*} $${pair#*=} \
			dist/debug/mackerel-agent_linux_$${pair%=*}.debug || exit 1; \
	done

test-dist: test-dist-quick test-dist-slow ## Run the tests of the built program, slow ones too, on the amd64 binary of dist/

test-dist-quick: needs-test
	AGENT_BIN=$(call SHIPPED,amd64) RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --test agent

test-dist-slow: needs-test
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
		runner=$$(cross/emulator $$name) || exit 1; \
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

test-emulated: needs-test setup-cross ## Run some of them on the binaries of dist/ for other machines, emulated
	$(CARGO) test --locked --test agent --no-run
	@for name in $(TARGETS); do \
		emulator=$$(cross/emulator $$name) || exit 1; \
		[ -n "$$emulator" ] || continue; \
		tests="$(EMULATED)"; \
		case $$name in s390x) \
			tests="$(EMULATED_BIG)"; emulator="$(CURDIR)/tests/agent/no-netlink $$emulator" ;; \
		esac; \
		echo "$$name by $$emulator"; \
		begin=$$(date +%s); \
		AGENT_BIN=$(call SHIPPED,$$name) AGENT_RUNNER="$$emulator" \
			$(CARGO) test --locked --test agent -- $$tests </dev/null || exit 1; \
		echo "test-emulated: $$name took $$(($$(date +%s) - begin)) s"; \
	done

test-emulated-all: ## The same for all targets, before a release
	@$(MAKE) --no-print-directory test-emulated TARGETS="$(ALL_TARGETS)"

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
	cross/size size-report.md $(foreach target,$(ALL_TARGETS),$(target)=$(LIMIT_$(target)):$(AIM_$(target)))

bloat: ## Say what amd64's (BLOAT=arm64 …) binary in dist/ is made of, by crate, and its largest functions
	@cross/bloat $(or $(BLOAT),amd64) 40

hot: needs-hot ## Trace dist/debug's amd64 twin for a quarter of an hour, and write which functions lie together (cross/hot.list)
	$(CARGO) build --locked --package fake-server
	cross/hot $(FAKE_SERVER)

reproducible: setup-dist ## Build amd64 again in another folder (REPRODUCIBLE="amd64 arm64 …" for more) and compare the bytes
	cross/reproducible $(or $(REPRODUCIBLE),amd64)

bench: needs-bench ## Measure memory, CPU and system calls of dist/'s amd64 binary (GO_AGENT=… for Go's beside it)
	$(CARGO) build --locked --example bench
	$(DEBUG)/examples/bench --minutes $(BENCH_MINUTES) $(BENCH) dist/mackerel-agent_linux_amd64

bench-pi: needs-bench ## Measure ten checks and four metric plugins of dist/'s amd64 binary for eight minutes (GO_AGENT=… GO_PLUGINS=… for Go's beside it; AGENT=… for another of ours)
	$(CARGO) build --locked --package fake-server
	tests/applets/pi --fake-server $(FAKE_SERVER) --agent $(or $(AGENT),$(call SHIPPED,amd64)) \
		$(if $(GO_AGENT),--go-agent $(GO_AGENT) --go-plugins $(GO_PLUGINS))

compare: needs-compare ## Compare `once` with df, ip and /proc of this machine (GO_AGENT=… for Go's `once`, AGENT=… for another of ours)
	$(CARGO) build --locked --bin mackerel-agent --example compare
	$(DEBUG)/examples/compare $(or $(AGENT),$(DEBUG)/mackerel-agent)

compare-applets: needs-applets ## Compare built-in checks and metrics of dist/'s amd64 binary with recorded outputs of Mackerel's plugins (GO_PLUGINS=… for a directory of these beside it; AGENT=… for another of ours; APPLETS="check-disk …" for some)
	tests/applets/compare --strict --agent $(or $(AGENT),$(call SHIPPED,amd64)) \
		$(if $(GO_PLUGINS),--go $(GO_PLUGINS),--recorded tests/applets/recorded.json) $(APPLETS)

packages: ## Make a deb, an rpm and an apk of each program in dist/ by nfpm (MAINTAINER="name <address>"); check by lintian and rpmlint
	packaging/package dist $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -n 1)

repository: ## Add the packages in dist/ to the signed apt, yum and apk repositories in REPOSITORY_DIR=repository: GPG_KEY=… APK_KEY=file.pem REPOSITORY=https://…
	@packaging/repository dist $(or $(REPOSITORY_DIR),repository)

test-repository-short: ## Make repositories of small packages with keys made for it; check what gpgv, rpm and openssl say (half a minute)
	tests/repository/short

test-repository: test-repository-short ## And install, upgrade and purge from one on loopback: Debian 12, 13, dnf (as root; dist/'s amd64 binary; ONLY="bookworm dnf …")
	tests/repository/run dist/mackerel-agent_linux_amd64 target/test-repository

test-install: setup ## Install dist/'s amd64 binary on hosts made for it (as root; Debian's registry; ONLY="systemd deb …")
	$(CARGO) build --locked --package fake-server
	tests/install/run dist/mackerel-agent_linux_amd64 $(FAKE_SERVER) target/test-install

test-commands: setup ## Run the commands of README and docs/install.md in fresh Debian 12 and 13 (as root; dist/'s amd64 binary and deb; BUILD=1 for what builds, too)
	$(CARGO) build --locked --package fake-server
	tests/docs/commands dist/mackerel-agent_linux_amd64 $(FAKE_SERVER) target/commands

test-ansible: setup ## Check the Ansible role, and play it against Debian 12 and 13 (as root, before a release; dist/'s amd64 binary; ONLY="changed removed …")
	$(CARGO) build --locked --package fake-server
	tests/ansible/run dist/mackerel-agent_linux_amd64 $(FAKE_SERVER) target/test-ansible

test-cloud-init: setup ## Let cloud-init of a fresh Debian 12 install dist/'s amd64 binary (as root, before a release)
	$(CARGO) build --locked --package fake-server
	tests/cloud-init/run dist/mackerel-agent_linux_amd64 $(FAKE_SERVER) target/test-cloud-init

release: ## All of a release but uploading: VERSION=0.1.0 PUBLIC_KEY=public.pem (or KEY=private.pem, which signs) RELEASES=https://… MAINTAINER="name <address>"
	MAKE="$(MAKE)" packaging/release "$(VERSION)" "$(or $(CHECKS),ci)"

image: ## Build the image for this machine (docker buildx, buildah or podman) into dist/
	cross/image $(IMAGE) linux/$(shell uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/; s/armv7l/arm\/v7/; s/armv6l/arm\/v6/')

image-all: sbom ## Build the image for all platforms into one archive in dist/
	cross/image $(IMAGE) $(PLATFORMS)

image-archive: sbom test-image-all ## Put the images of all platforms, tried, into dist/ (`make release` calls it)
	@for target in $(IMAGES); do \
		cmp target/image/mackerel-agent_linux_$$target $(call SHIPPED,$$target) || \
			{ echo "image-archive: $$target in the image is not that of dist/: of another commit, or compiler" >&2; exit 1; }; \
	done
	gzip -9nc target/image/mackerel-agent.oci.tar >$(IMAGE).gz

image-pin: ## Write the digests of the base images into the Dockerfile, as a registry gives them now
	cross/pin

image-reproducible: ## Build an image again from nothing in another folder (REPRODUCIBLE="linux/amd64 …") and compare the layers
	BINARY_LIMIT="$(BINARY_LIMITS)" IMAGE_LIMIT="$(IMAGE_LIMITS)" tests/image/reproducible $(or $(REPRODUCIBLE),linux/amd64)

test-image: setup ## Build the arm64 image by buildah, check it and run it, as root
	$(CARGO) build --locked --package fake-server
	FAKE_SERVER=$(FAKE_SERVER) BINARY_LIMIT="$(BINARY_LIMITS)" IMAGE_LIMIT="$(IMAGE_LIMITS)" tests/image/run $(TRIED)
	tests/image/report size-report.md target/image/found

test-image-all: ## The same for all platforms, before a release
	@$(MAKE) --no-print-directory test-image TRIED="$(PLATFORMS)"

test-sidecar: setup ## Run the image as users run it, by podman and Docker: 16 MiB, restarts, signals (as root, six minutes)
	$(CARGO) build --locked --package fake-server
	FAKE_SERVER=$(FAKE_SERVER) BINARY_LIMIT="$(BINARY_LIMITS)" IMAGE_LIMIT="$(IMAGE_LIMITS)" tests/image/sidecar

test-manifests: setup setup-dist ## Check packaging/container/, the Helm chart, kustomize's base and the SBOM against published schemas
	$(CARGO) build --locked --bin mackerel-agent
	tests/manifests/run $(DEBUG)/mackerel-agent

sbom: setup-dist ## Write the bill of materials of the binaries into dist/, as CycloneDX, and the notices of what is linked
	cross/sbom dist/mackerel-agent.cdx.json dist/THIRD-PARTY-NOTICES.txt

# What runs beside building, and after it: a lane that compiles, and one that mostly waits.
DIST_LANES := dist "test-slow-parts test-manifests"
LANES := "test-crypto reproducible test-image test-emulated" \
	"test-dist-slow test-outputs test-live compare-applets test-root-boundary test-repository-short test-pi-boards"

ci: ## All of the above that a change has to pass
	@CI=1 MAKE="$(MAKE)" .ci/steps lint deny test -- $(DIST_LANES)
	@CI=1 MAKE="$(MAKE)" .ci/steps test-dist-quick -- $(LANES)
	@CI=1 MAKE="$(MAKE)" .ci/steps soak-short size

clean: ## Remove what was built
	rm -rf target dist
