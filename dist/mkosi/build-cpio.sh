#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What veriroot needs in an initrd that systemd runs, as a tree and as a cpio.
# Usage: build-cpio.sh [--program=FILE] [--certificate=FILE]... [--policy=FILE]... [--no-libraries] DIR
# Makes DIR/veriroot.tree and DIR/veriroot.cpio. --no-libraries: the initrd has libcrypto and libc of its own.
set -euo pipefail
dist=$(cd "$(dirname "$0")/.." && pwd)
program=$(command -v veriroot || true) certificates=() policies=() libraries=yes out=
for word in "$@"; do
    case $word in
        --program=*) program=${word#*=} ;;
        --certificate=*) certificates+=("${word#*=}") ;;
        --policy=*) policies+=("${word#*=}") ;;
        --no-libraries) libraries=no ;;
        -*) echo "build-cpio.sh: unknown option $word" >&2; exit 2 ;;
        *) out=$word ;;
    esac
done
[ -n "$out" ] && [ -n "$program" ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
[ ${#certificates[@]} -gt 0 ] || echo "build-cpio.sh: no certificate: nothing can be authenticated" >&2
tree=$out/veriroot.tree
rm -rf "$tree"
mkdir -p "$tree"/{usr/bin,usr/lib/systemd/system,usr/lib/systemd/system-generators,usr/lib/modules-load.d,usr/lib/udev/rules.d} \
    "$tree"/{etc/systemd/system-generators,etc/verity.d,etc/veriroot/policy.d,sysroot}
install -m 755 "$program" "$tree/usr/bin/veriroot"
ln -s ../../../bin/veriroot "$tree/usr/lib/systemd/system-generators/veriroot-generator"
install -m 644 "$dist/systemd/veriroot-boot.service" "$tree/usr/lib/systemd/system/"
install -m 644 "$dist/systemd/modules-load.conf" "$tree/usr/lib/modules-load.d/veriroot.conf"
grep -v '^#' "$dist/systemd/masks" | while read -r name; do ln -s /dev/null "$tree/etc/systemd/system-generators/$name"; done
for rules in "$dist"/udev/*.rules; do [ ! -e "$rules" ] || install -m 644 "$rules" "$tree/usr/lib/udev/rules.d/"; done
for file in "${certificates[@]+"${certificates[@]}"}"; do install -m 644 "$file" "$tree/etc/verity.d/"; done
for file in "${policies[@]+"${policies[@]}"}"; do install -m 644 "$file" "$tree/etc/veriroot/policy.d/"; done
if [ "$libraries" = yes ]; then
    ldd "$program" | grep -o '/[^ ]*' | sort -u | while read -r library; do
        case $library in
            # The initrd's own loader and libc serve its other programs too: they stay as they are.
            */ld-linux*|*/libc.so.*|*/libm.so.*) ;;
            *) install -D -m 755 "$library" "$tree/usr/lib/x86_64-linux-gnu/${library##*/}" ;;
        esac
    done
fi
(cd "$tree" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0) > "$out/veriroot.cpio"
du -h "$out/veriroot.cpio"
