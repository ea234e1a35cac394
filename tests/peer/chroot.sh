#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Debian forky with systemd 262 in a directory: some 2 minutes the first time. Usage (as root): chroot.sh DIR
set -euo pipefail
dir=${1:?usage: chroot.sh DIR}
if [ ! -x "$dir/usr/bin/systemd-dissect" ]; then
    command -v debootstrap >/dev/null || apt-get install -y -q debootstrap
    # The mirror that this machine's apt uses; a machine without one gets Debian's own.
    mirror=$(awk '$1 == "URIs:" { print $2; exit }' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
    debootstrap --variant=minbase --include=systemd,systemd-container,cryptsetup-bin \
        forky "$dir" "${mirror:-http://deb.debian.org/debian}" /usr/share/debootstrap/scripts/sid
fi
for fs in proc sys dev; do mountpoint -q "$dir/$fs" || mount --rbind "/$fs" "$dir/$fs"; done
mountpoint -q "$dir/tmp" || mount -t tmpfs tmpfs "$dir/tmp"
chroot "$dir" systemd-dissect --version | head -1
