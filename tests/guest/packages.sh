#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Brings a Debian machine that has only the Rust toolchain to where everything here builds and boots.
# Usage: packages.sh build | guest | interop
#   build   what the compiler needs
#   guest   what the boot tests and the demo need: an emulator, busybox, and a kernel under build/kernel (unpacked,
#           never installed)
#   interop the programs whose trees and signatures ours are compared with
# Runs again in no time when all is there; anything that fails ends it, loudly.
set -euo pipefail
trap 'echo "packages.sh: line $LINENO failed: $BASH_COMMAND" >&2' ERR
cd "$(dirname "$0")/../.."

build=(gcc libc6-dev pkg-config libssl-dev libdevmapper-dev libclang-dev)
interop=(cryptsetup-bin openssl)
guest=(qemu-system-x86 busybox-static)

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

case ${1:-} in
    build) install_missing "${build[@]}" ;;
    interop) install_missing "${interop[@]}" ;;
    guest) install_missing "${guest[@]}"; unpack_kernel ;;
    *) echo "usage: packages.sh build | guest | interop" >&2; exit 2 ;;
esac
