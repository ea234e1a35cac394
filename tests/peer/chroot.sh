#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Debian forky with systemd 262 in a directory: some 2 minutes the first time. Usage (as root): chroot.sh DIR
set -euo pipefail
dir=${1:?usage: chroot.sh DIR}
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
chroot "$dir" systemd-dissect --version | head -1
