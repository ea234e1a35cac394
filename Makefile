# SPDX-License-Identifier: MIT OR Apache-2.0
# Everything CI does is a target here. On a Debian machine with a Rust toolchain, what else is needed gets installed.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.PHONY: help program demo boot-time bench-decoders test unit boot boot-keyring boot-uefi boot-systemd boot-initramfs-tools boot-peer boot-beside peer-differential interop manual fmt clippy docs deny advisories packages guest-kernel \
    miri fuzz fuzz-smoke corpus exhaustive faults differential bench-fetch

CARGO ?= cargo
CARGO_TESTS := $(CARGO) test --locked --workspace --no-fail-fast
BOOT_TESTS := $(CARGO) test --locked --test boot --no-fail-fast

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: program guest-kernel ## Seven network boots of a real (emulated) machine: one accepted, six refused
	$(CARGO) run --locked --release --quiet --example demo

boot-time: program guest-kernel ## Times a netboot with 180 MiB of payload
	$(CARGO) run --locked --release --quiet --example boot_time

test: packages guest-kernel fmt clippy docs deny program ## Everything: checks, all tests, and one line that counts them
	@tests/tally.sh '$(CARGO_TESTS)' '$(BOOT_TESTS)'

unit: packages ## Unit, integration and documentation tests; no guest
	$(CARGO_TESTS)

boot: program guest-kernel ## Boot tests, in the guest
	$(BOOT_TESTS)

PEER ?= build/peer
SYSTEMD_PACKAGES := libcurl4t64 systemd-cryptsetup systemd-resolved udev kmod dracut dracut-network openssl iproute2 zstd cpio
UEFI_PACKAGES := systemd-ukify systemd-boot-efi sbsigntool python3-virt-firmware zstd
SEED ?= 1
peer-differential: packages ## Fresh random policies and images against a live systemd-dissect (as root; SEED=, PEER=)
	@tests/peer/chroot.sh '$(PEER)'
	VERIROOT_PEER='$(abspath $(PEER))' VERIROOT_SEED='$(SEED)' $(CARGO) test --locked --test peer -- --nocapture

SECONDS ?= 60
TARGETS ?=
fuzz: packages ## Every fuzz target for SECONDS= each (nightly, cargo-fuzz); TARGETS= for some of them
	@tests/guest/packages.sh fuzz
	@fuzz/run.sh '$(SECONDS)' $(TARGETS)

fuzz-smoke: packages ## The same properties on stable, over seeds, old crashes and some thousand mutants each
	VERIROOT_SMOKE_ALL=1 $(CARGO) test --locked --release -p veriroot-properties --test smoke

MUTANTS ?= 1000000
differential: packages ## Mutants we accept, shown to veritysetup, fdisk, OpenSSL, GNU tar, bsdtar and Python (as root; MUTANTS= of each)
	@tests/guest/packages.sh interop
	@tests/guest/packages.sh archives
	@for what in tree gpt cms tar; do \
	    $(CARGO) run --locked --release --quiet -p veriroot-properties -- differential $$what '$(MUTANTS)'; done

FAULTS ?= 1
ROUNDS ?= 1
faults: program guest-kernel ## A fault at every call of six verdicts, two fetches and two boots, little memory, few descriptors (as root; FAULTS=N: every N-th; ROUNDS=6: every error at every call of a boot)
	@tests/guest/packages.sh faults
	VERIROOT_FAULTS='$(FAULTS)' $(CARGO) test --locked --test faults -- --nocapture --test-threads 1
	VERIROOT_FAULT_ROUNDS='$(ROUNDS)' $(BOOT_TESTS) -- --ignored --nocapture takes_everything_back

exhaustive: packages ## Every bit of the metadata flipped, every cut, every block: some 2 million images
	$(CARGO) run --locked --release --quiet -p veriroot-properties -- exhaustive "$$(nproc)" 1

corpus: program ## The attack corpus: our verdicts beside those of systemd-dissect and veritysetup (as root; PEER=)
	@tests/corpus/run.sh '$(SEED)' '$(PEER)'

manual: packages ## Man pages and shell completions under dist/, made anew from the program's arguments
	$(CARGO) run --locked --quiet --example manual

SMALL := escape:: image_filter:: source::frame units:: version:: wire::
FOREIGN := authenticate checksums dissect request source::decode only_regular_files
miri: packages ## Vector code and the small readers under Miri, 5 minutes after the build (nightly, miri)
	for features in +sha,+sse4.1,+ssse3 +avx2 +avx512f,+avx512bw; do \
	    RUSTFLAGS="-C target-feature=$$features" CARGO_TARGET_DIR=target/miri-vectors \
	        $(CARGO) +nightly miri test --locked -p veriroot-sha256; done
	PROPTEST_CASES=2 MIRIFLAGS=-Zmiri-disable-isolation $(CARGO) +nightly miri test --locked --lib -- \
	    $(FOREIGN:%=--skip %) $(SMALL)

interop: packages ## Trees of veritysetup and signatures of openssl, made now, and what audit says of them
	@tests/guest/packages.sh interop
	$(CARGO) test --locked --test interop --no-fail-fast

bench-fetch: packages ## Fetching 300 MiB beside curl and systemd-pull (with PEER=, as root)
	@tests/guest/packages.sh fetch
	@if [ -d '$(PEER)' ]; then tests/peer/chroot.sh '$(PEER)' libcurl4t64; fi
	PEER='$(abspath $(PEER))' $(CARGO) bench --locked --bench fetch

bench-decoders: packages ## What the worst compressed streams cost, in memory and time (ROWS=xz for one format)
	ROWS='$(ROWS)' $(CARGO) bench --locked --bench decoders

boot-keyring: program ## A kernel that trusts our key as second witness (fetches a kernel of Debian unstable)
	@tests/guest/packages.sh keyring
	$(CARGO) test --locked --test boot-keyring --no-fail-fast

boot-systemd: program guest-kernel ## An initrd of dracut and systemd 262 that waits for veriroot and refuses with it (as root; PEER=)
	@tests/peer/chroot.sh '$(PEER)' $(SYSTEMD_PACKAGES)
	@tests/boot/systemd/initrd.sh '$(PEER)' target/release/veriroot build/systemd/dracut.img
	$(CARGO) test --locked --test boot-systemd --no-fail-fast -- --test-threads=1

boot-initramfs-tools: program guest-kernel ## An initrd of initramfs-tools that boots through veriroot (as root; PEER=)
	@tests/peer/chroot.sh '$(PEER)' initramfs-tools-core busybox zstd
	@tests/boot/initramfs-tools/initrd.sh '$(PEER)' target/release/veriroot build/initramfs-tools/initrd.img
	$(CARGO) test --locked --test boot-initramfs-tools --no-fail-fast -- --test-threads=1

boot-peer: program guest-kernel ## Times a netboot of 180 MiB against systemd 262's own (as root; PEER=, VERIROOT_ROUNDS=)
	@tests/peer/chroot.sh '$(PEER)' $(SYSTEMD_PACKAGES)
	@tests/peer/initrd.sh '$(PEER)' tests/fixtures/trusted.crt build/systemd/peer.img
	@dist/mkosi/build-cpio.sh --program=target/release/veriroot build/systemd/mkosi
	$(CARGO) test --locked --test boot-peer -- --nocapture reaches_the_root

boot-beside: program guest-kernel ## Three boots that systemd 262 gets wrong, beside the same boots with veriroot (as root; PEER=)
	@tests/peer/chroot.sh '$(PEER)' $(SYSTEMD_PACKAGES)
	@tests/peer/initrd.sh '$(PEER)' tests/fixtures/trusted.crt build/systemd/peer.img
	@dist/mkosi/build-cpio.sh --program=target/release/veriroot build/systemd/mkosi
	$(CARGO) test --locked --test boot-peer -- --nocapture refuses_what_systemd_boots

boot-uefi: program guest-kernel ## UEFI HTTP boot of a unified kernel image, with and without Secure Boot (as root; PEER=)
	@tests/guest/packages.sh uefi
	@tests/peer/chroot.sh '$(PEER)' $(UEFI_PACKAGES)
	VERIROOT_PEER='$(abspath $(PEER))' $(CARGO) test --locked --test boot-uefi --no-fail-fast -- --test-threads=1

program: packages ## The program as it ships
	$(CARGO) build --locked --release --bin veriroot

fmt: ## Formatting, checked
	$(CARGO) fmt --all --check

clippy: packages ## Lints, warnings denied
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --test boot --test boot-keyring --test boot-systemd --test boot-initramfs-tools --test boot-uefi --test boot-peer --test interop --test peer --test faults -- -D warnings

docs: packages ## Documentation, warnings denied
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps

deny: ## Dependencies: bans, licences, sources (where cargo-deny is installed)
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check bans licenses sources; \
	else echo 'deny: cargo-deny is not installed, nothing checked'; fi

advisories: ## Dependencies: known vulnerabilities (cargo-deny, and the network for its database)
	$(CARGO) deny --locked check advisories

packages: ## Installs what the compiler needs
	@tests/guest/packages.sh build

guest-kernel: ## Installs the emulator and unpacks a kernel under build/kernel
	@tests/guest/packages.sh guest
