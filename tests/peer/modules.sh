#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Puts the modules of the kernel that all guests boot into a chroot, less the drivers of cards that no emulator has.
# Usage (as root): modules.sh CHROOT
set -euo pipefail
chroot=${1:?usage: modules.sh CHROOT}
here=$(cd "$(dirname "$0")/../.." && pwd)
release=$(ls "$here/build/kernel/lib/modules")
[ ! -e "$chroot/usr/lib/modules/$release/modules.dep" ] || exit 0
mkdir -p "$chroot/usr/lib/modules"
cp -a "$here/build/kernel/lib/modules/$release" "$chroot/usr/lib/modules/"
rm -rf "$chroot/usr/lib/modules/$release/kernel/drivers/net/"{ethernet,wireless,can,usb,wwan}
touch "$chroot/usr/lib/modules/$release"/modules.{order,builtin.modinfo}
chroot "$chroot" depmod -a "$release"
