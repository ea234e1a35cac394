#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Brings a Debian machine that has only the Rust toolchain to where everything here builds and boots.
# Usage: packages.sh build | guest | keyring | interop | archives | fuzz | faults | uefi | fetch
#   build    what the compiler needs, gpg, whose signatures the tests have to be compatible with, and the programs whose
#            compressed streams they take apart
#   guest    what the boot tests and the demo need: an emulator, busybox, dmsetup, udev, strace, and a kernel under build/kernel
#            (unpacked, never installed)
#   keyring  what `make boot-keyring` needs beside that: keyctl, and a kernel under build/kernel-keyring whose dm-verity
#            has a keyring of its own (Linux 7.2 or later)
#   faults   strace, prlimit and unshare
#   fuzz     a nightly compiler (from rustup) and cargo-fuzz
#   archives the other readers of tar that ours is compared with
#   uefi     the firmware of `make boot-uefi`, and what makes its keys
#   interop  the programs whose trees and signatures ours are compared with
#   fetch    the server and the client that fetching is measured with
# Runs again in no time when all is there; anything that fails ends it, loudly.
set -euo pipefail
trap 'echo "packages.sh: line $LINENO failed: $BASH_COMMAND" >&2' ERR
cd "$(dirname "$0")/../.."

build=(gcc libc6-dev pkg-config libssl-dev libdevmapper-dev libclang-dev gnupg bzip2 gzip lz4 xz-utils zstd)
interop=(cryptsetup-bin fdisk openssl)
archives=(tar libarchive-tools python3)
guest=(qemu-system-x86 busybox-static dmsetup udev strace)
uefi=(ovmf openssl)
fetch=(nginx-light curl)
keyring=(keyutils xz-utils debian-archive-keyring)

as_root() {
    if [ "$(id -u)" = 0 ]; then env DEBIAN_FRONTEND=noninteractive "$@"; else sudo env DEBIAN_FRONTEND=noninteractive "$@"; fi
}

# Tries with the package lists at hand; only if that fails are they fetched anew.
with_fresh_lists() {
    "$@" || { echo "packages.sh: fetching the package lists, then once more: $*" >&2; as_root apt-get update -q && "$@"; }
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_missing() {
    local missing=()
    for package in "$@"; do installed "$package" || missing+=("$package"); done
    [ ${#missing[@]} = 0 ] && return
    echo "packages.sh: installing ${missing[*]}" >&2
    with_fresh_lists as_root apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

# The kernel package of the distribution, through apt and so under the distribution's signature.
download_kernel() {
    local package
    package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
    [ -n "$package" ] && (cd "$1" && apt-get -q download -o APT::Sandbox::User=root "$package" >&2)
}

unpack_kernel() {
    [ -e build/kernel/boot ] && return
    echo "packages.sh: unpacking a kernel under build/kernel" >&2
    mkdir -p build
    local work; work=$(mktemp -d build/kernel.XXXXXX)
    # shellcheck disable=SC2064 # the name is fixed now, not at exit
    trap "rm -rf '$work'" EXIT
    with_fresh_lists download_kernel "$work"
    mkdir "$work/tree"
    dpkg --fsys-tarfile "$work"/linux-image-*.deb | tar -x -C "$work/tree" --wildcards './boot/vmlinuz-*' \
        './lib/modules/*/modules.builtin' './lib/modules/*/kernel/'{lib,crypto,fs,arch/x86/crypto} \
        './lib/modules/*/kernel/drivers/'{virtio,net,block,md} './lib/modules/*/kernel/net/core'
    rm -rf build/kernel
    mv "$work/tree" build/kernel
}

# The kernel of Debian unstable, from the mirror this machine uses. Its lists stay in a directory of their own, so that
# nothing of unstable can get onto this machine.
download_later_kernel() {
    local mirror image packages apt="$1/apt"
    # shellcheck disable=SC2016 # apt's own variable
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
    [ -n "$mirror" ] || { echo "packages.sh: apt knows no mirror of Debian" >&2; return 1; }
    mkdir -p "$apt"/{lists,cache/archives}/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" > "$apt/sources.list"
    local options=(-q -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$apt/lists"
        -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update >&2
    image=$(apt-cache "${options[@]}" depends linux-image-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
    # The image package is an empty one; kernel, list of what is built in, and modules are in these.
    packages=$(apt-cache "${options[@]}" depends "$image" | awk '/Depends: linux-(base|binary|modules)-[0-9]/ { print $2 }')
    [ -n "$packages" ] || { echo "packages.sh: $image is not made as expected" >&2; return 1; }
    # shellcheck disable=SC2086 # one word per package
    (cd "$1" && apt-get "${options[@]}" download $packages >&2)
}

unpack_later_kernel() {
    [ -e build/kernel-keyring/boot ] && return
    echo "packages.sh: unpacking a later kernel under build/kernel-keyring" >&2
    mkdir -p build
    local work package modules; work=$(mktemp -d build/kernel-keyring.XXXXXX)
    # shellcheck disable=SC2064 # the name is fixed now, not at exit
    trap "rm -rf '$work'" EXIT
    download_later_kernel "$PWD/$work"
    mkdir -p "$work/all" "$work/tree/boot" "$work/tree/lib/modules"
    for package in "$work"/linux-*.deb; do
        dpkg --fsys-tarfile "$package" | tar -x -C "$work/all" --wildcards './usr/lib/modules/*'
    done
    modules=$(echo "$work"/all/usr/lib/modules/*)
    mv "$modules/vmlinuz" "$work/tree/boot/vmlinuz-${modules##*/}"
    (cd "$work/all/usr/lib/modules" && tar -c "${modules##*/}"/{modules.builtin,kernel/{lib,crypto,fs,net/core,drivers/{virtio,net,block,md}}}) |
        tar -x -C "$work/tree/lib/modules"
    find "$work/tree" -name '*.ko.xz' -exec xz -d {} +
    rm -rf build/kernel-keyring
    mv "$work/tree" build/kernel-keyring
}

install_fuzz() {
    cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal >&2
    cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked >&2
}

case ${1:-} in
    build) install_missing "${build[@]}" ;;
    faults) install_missing strace util-linux ;;
    fuzz) install_missing "${build[@]}" g++; install_fuzz ;;
    archives) install_missing "${archives[@]}" ;;
    interop) install_missing "${interop[@]}" ;;
    fetch) install_missing "${fetch[@]}" ;;
    uefi) install_missing "${uefi[@]}" ;;
    guest) install_missing "${guest[@]}"; unpack_kernel ;;
    keyring) install_missing "${guest[@]}" "${keyring[@]}"; unpack_later_kernel ;;
    *) echo "usage: packages.sh build | guest | keyring | interop | archives | fuzz | faults | uefi | fetch" >&2; exit 2 ;;
esac
