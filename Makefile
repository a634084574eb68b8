# One command for each check, the same for people and for CI.
#
#   make test    installs what the tests need, then runs them; needs root or sudo; lists what it does not run
#   make test-hosts  runs what make test leaves out: containers, images, older systems and validators, which need
#                larger packages
#   make test-desktop  runs programs with windows: GTK, Qt, chromium; Mesa; desktop entries of real programs
#   make test-long  runs the slow tests: every error at every system call of a first start; gcc, PostgreSQL, coreutils;
#                200 starts of compositions; a kernel with pages of 64 KiB, which it builds
#   make test-corpus  relocates programs of all kinds; builds them first, some from source; takes an hour and 15 GB
#   make lint    checks formatting, lints, layers, documentation, dependencies and the stub's size
#   make demo    packs and runs the markov example, from a Nix closure to an answer over HTTP
#   make fuzz    fuzzes each parser for ten minutes (FUZZ_SECONDS); PARTS="scan index" selects parsers
#   make -s offline-bundler   prints a flake for nix bundle --bundler that needs no network
#   make bench   measures bundles and other tools, writes docs/benchmarks.md; PARTS="start first" selects parts

SHELL := /bin/sh
MUSL := $(shell uname -m)-unknown-linux-musl

# What packer has stubs for, if Rust's target and a C compiler are there: see packer/build.rs. A mirror may not have all.
STUBS := x86_64-unknown-linux-musl aarch64-unknown-linux-musl
TARGET := $(or $(CARGO_TARGET_DIR),target)

# The Debian packages that the build, Nix, the examples and the tests use, except essential ones.
PACKAGES := bindfs bubblewrap bzip2 ca-certificates curl docker-registry g++ gcc libc6-dev minisign musl-tools nginx-light \
	nix-bin openssh-client openssl patchelf python3 python3-pip skopeo strace sudo tar umoci xz-utils zstd \
	desktop-file-utils libglib2.0-bin shared-mime-info

# What makes stubs and closures for aarch64 on another machine, and runs them.
PACKAGES += $(if $(filter aarch64,$(shell uname -m)),,gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)

# What the other hosts are made with: containers, and a user land and a virtual machine of Debian 11. And what takes
# images. qemu-system-arm is for Linux on aarch64, cpio for what it starts from.
HOST_PACKAGES := buildah catatonit cpio crun debian-archive-keyring debootstrap e2fsprogs iproute2 podman qemu-system-arm \
	qemu-system-x86 skopeo slirp4netns uidmap umoci

# The test programs that need these.
HOST_TESTS := hosts images sbom

# What programs with windows are shown on, what reads the pictures, and what checks desktop entries.
DESKTOP_PACKAGES := appstream dbus netpbm weston xdg-desktop-portal xdg-desktop-portal-gtk xdg-utils xdotool xvfb

# The test programs that need these.
DESKTOP_TESTS := desktop desktop_entries graphics

# What a kernel with pages of 64 KiB is built with.
KERNEL_PACKAGES := bc bison flex make

# What programs are built from source with.
SOURCE_PACKAGES := bison dpkg-dev gawk make

# What the corpus is made with: sources are compiled.
CORPUS_PACKAGES := $(SOURCE_PACKAGES)

# The other tools that the benchmarks compare with.
PEERS := bsdiff bubblewrap buildah fuse3 makeself squashfs-tools squashfuse xdelta3 zsync
WRAPPE_VERSION := 1.0.6
WRAPPE := $(abspath $(TARGET))/tools/wrappe-$(WRAPPE_VERSION)/bin/wrappe

# Seconds for each fuzz target.
FUZZ_SECONDS := 600

# The largest size of the stub in bytes. Every bundle contains the stub.
STUB_LIMIT := 524288

# The version is fixed, so that a check changes only by a commit.
CARGO_DENY := 0.20.2
DENY := $(TARGET)/tools/cargo-deny-$(CARGO_DENY)/bin/cargo-deny

# An ordinary user's PATH may be without root's programs.
ROOT := $(shell [ "$$(id -u)" = 0 ] && echo env || echo sudo -E env PATH=$(PATH):/usr/sbin:/sbin)

AS_ROOT = CARGO_TARGET_$(shell rustc -vV | sed -n 's/^host: //p' | tr a-z- A-Z_)_RUNNER="$(ROOT)"

# The hosts that take many minutes, by what their names have in them.
LONG_HOSTS := 64 KiB

# Always with all features of the workspace, so that nothing is built twice.
CARGO_TEST := cargo test --locked --workspace

# The test programs with long tests in them; what is ignored in the others is for targets of their own.
LONG := $(filter-out $(HOST_TESTS) $(DESKTOP_TESTS) corpus,$(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)))

.PHONY: all build programs test test-hosts test-desktop test-long test-corpus fuzz lint demo offline-bundler bench setup packages rust crates stub-size deny

all: build

build: rust
	cargo build --release --locked -p packer

# What the tests pack and run.
programs: build
	cargo build --release --locked --target $(MUSL) -p probe -p markov-server

test: setup programs
	$(CARGO_TEST) --tests --no-run
	fuzz/run 3
	@# cargo runs as the caller; only the tests run as root.
	$(AS_ROOT) $(CARGO_TEST) --tests --no-fail-fast
	@echo "Not run: these hosts, each with every bundle. make test-hosts runs them:"
	@$(CARGO_TEST) --quiet --test hosts -- --list --ignored --skip '$(LONG_HOSTS)' | sed -n '/: test$$/ { s///; s,/[^/]*$$,,; s/^/  /p }' | uniq
	@echo "Not run: images in these engines. make test-hosts runs them:"
	@$(CARGO_TEST) --quiet --test images -- --list --ignored | sed -n '/: test$$/ { s///; s/^/  /p }'
	@echo "Not run: validators of bills of materials. make test-hosts runs them:"
	@$(CARGO_TEST) --quiet --test sbom -- --list --ignored | sed -n '/: test$$/ { s///; s/^/  /p }'
	@echo "Not run: programs with windows, drivers that draw. make test-desktop runs them:"
	@$(CARGO_TEST) --quiet $(DESKTOP_TESTS:%=--test %) -- --list --ignored | sed -n '/: test$$/ { s///; s/^/  /p }'
	@echo "Not run: these slow tests. make test-long runs them:"
	@$(CARGO_TEST) --quiet $(LONG:%=--test %) -- --list --ignored | sed -n '/: test$$/ { s///; s/^/  /p }'
	@$(CARGO_TEST) --quiet --test hosts -- --list --ignored '$(LONG_HOSTS)' | sed -n '/: test$$/ { s///; s/^/  /p }'
	@echo "Not run: programs of these kinds. make test-corpus runs them:"
	@$(CARGO_TEST) --quiet --test corpus -- --list --ignored | sed -n '/: test$$/ { s///; s,/.*,,; s/^/  /p }' | uniq

test-hosts: PACKAGES += $(HOST_PACKAGES)
test-hosts: setup programs
	$(CARGO_TEST) $(HOST_TESTS:%=--test %) --no-run
	$(AS_ROOT) $(CARGO_TEST) $(HOST_TESTS:%=--test %) --no-fail-fast -- --ignored --skip '$(LONG_HOSTS)'

test-desktop: PACKAGES += $(DESKTOP_PACKAGES)
test-desktop: setup programs
	$(CARGO_TEST) $(DESKTOP_TESTS:%=--test %) --no-run
	$(AS_ROOT) $(CARGO_TEST) $(DESKTOP_TESTS:%=--test %) --no-fail-fast -- --ignored

test-long: PACKAGES += $(SOURCE_PACKAGES) $(HOST_PACKAGES) $(KERNEL_PACKAGES)
test-long: setup programs
	$(CARGO_TEST) $(LONG:%=--test %) --test hosts --no-run
	$(AS_ROOT) $(CARGO_TEST) --test hosts --no-fail-fast -- --ignored '$(LONG_HOSTS)'
	$(AS_ROOT) $(CARGO_TEST) $(LONG:%=--test %) --no-fail-fast -- --ignored

test-corpus: PACKAGES += $(CORPUS_PACKAGES)
test-corpus: setup programs
	$(CARGO_TEST) --test corpus --no-run
	$(AS_ROOT) $(CARGO_TEST) --test corpus -- --ignored

fuzz: setup build
	FUZZ_ALL=1 fuzz/run $(FUZZ_SECONDS) $(PARTS)

lint: setup deny stub-size
	tests/layers
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked -p runtime --features stub --profile stub --target $(MUSL) --bin runtime -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

demo: setup build
	cargo build --locked -p tests --bin on-host
	TARGET=$(TARGET) ROOT="$(ROOT)" tests/demo

offline-bundler: setup build
	@$(ROOT) nix/offline-bundler $(TARGET)

bench: PACKAGES += $(PEERS)
bench: setup build $(WRAPPE)
	cargo build --release --locked -p benches
	@# The files of the hosts must be on the measured disk; /tmp may be on another one.
	mkdir -p $(TARGET)/benches/tmp
	$(ROOT) TMPDIR=$(abspath $(TARGET))/benches/tmp WRAPPE=$(WRAPPE) $(TARGET)/release/benches $(PARTS)

$(WRAPPE): | rust
	cargo install wrappe --locked --version $(WRAPPE_VERSION) --root $(abspath $(TARGET))/tools/wrappe-$(WRAPPE_VERSION)

deny: $(DENY) crates
	$(DENY) --offline --locked check licenses bans sources

$(DENY):
	cargo install cargo-deny --locked --version $(CARGO_DENY) --root $(TARGET)/tools/cargo-deny-$(CARGO_DENY)

stub-size: build
	@# The newest stubs are those inside the packer that was just built.
	@for target in $(STUBS); do \
		stub=$$(ls -t $(TARGET)/release/build/packer-*/out/stub/$$target/stub/runtime | head -n 1); \
		size=$$(stat -c %s "$$stub") || exit 1; \
		echo "the stub for $${target%%-*} has $$size bytes of $(STUB_LIMIT)"; \
		[ $$size -le $(STUB_LIMIT) ] || exit 1; done

setup: packages rust crates

packages:
	@missing=; for package in $(PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then sudo=; elif command -v sudo >/dev/null; then sudo=sudo; else \
		echo "missing packages:$$missing" >&2; \
		echo "hint: as root, apt-get install$$missing" >&2; exit 1; \
	fi; \
	exec >&2 && $$sudo apt-get update -q && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing

rust:
	@command -v cargo >/dev/null || { \
		echo "Rust is missing" >&2; echo "hint: install it from https://rustup.rs" >&2; exit 1; }
	@for target in $(MUSL) $(STUBS); do \
		[ -d "$$(rustc --print target-libdir --target $$target)" ] || rustup target add $$target || exit 1; done

crates: rust
	@# All crates, including those for other systems: `cargo metadata --offline`, the tests and cargo-deny read them.
	cargo fetch --locked --quiet
