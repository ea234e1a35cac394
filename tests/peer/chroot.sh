#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Debian forky with systemd 262 in a directory: some 2 minutes the first time. Usage (as root): chroot.sh DIR [PACKAGE...]
set -euo pipefail
dir=${1:?usage: chroot.sh DIR [PACKAGE...]}
shift
if [ ! -x "$dir/usr/bin/systemd-dissect" ]; then
    command -v debootstrap >/dev/null || apt-get install -y -q debootstrap
    # The mirror that this machine's apt uses.
    # shellcheck disable=SC2016 # apt's own variable
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
    [ -n "$mirror" ] || { echo "chroot.sh: apt knows no mirror of Debian" >&2; exit 1; }
    debootstrap --variant=minbase --include=systemd,systemd-container,cryptsetup-bin \
        forky "$dir" "$mirror" /usr/share/debootstrap/scripts/sid
fi
for fs in proc sys dev; do
    mountpoint -q "$dir/$fs" || { mount --rbind "/$fs" "$dir/$fs"; mount --make-rslave "$dir/$fs"; }
done
mountpoint -q "$dir/tmp" || mount -t tmpfs tmpfs "$dir/tmp"
missing=()
for package in "$@"; do [ -e "$dir/var/lib/dpkg/info/$package.list" ] || [ -e "$dir/var/lib/dpkg/info/$package:amd64.list" ] || missing+=("$package"); done
if [ ${#missing[@]} != 0 ]; then
    cp -L /etc/resolv.conf "$dir/etc/resolv.conf"
    chroot "$dir" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
fi
chroot "$dir" systemd-dissect --version | head -1
