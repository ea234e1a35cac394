#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# An initrd of initramfs-tools with veriroot in it, made in the chroot of tests/peer/chroot.sh: no certificate and no policy
# in it, which the tests add. Usage (as root): initrd.sh CHROOT PROGRAM OUT
set -euo pipefail
chroot=${1:?usage: initrd.sh CHROOT PROGRAM OUT} program=${2:?} out=${3:?}
here=$(cd "$(dirname "$0")/../../.." && pwd)
release=$(ls "$here/build/kernel/lib/modules")
"$here/tests/peer/modules.sh" "$chroot"

# As a package would install them.
install -D "$program" "$chroot/usr/bin/veriroot"
cp -r "$here"/dist/initramfs-tools/{hooks,scripts} "$chroot/usr/share/initramfs-tools/"

conf=$chroot/tmp/initramfs-tools
rm -rf "$conf"
cp -r "$chroot/etc/initramfs-tools" "$conf"
printf 'MODULES=list\nBUSYBOX=y\nCOMPRESS=zstd\n' > "$conf/initramfs.conf"
printf '%s\n' virtio_pci virtio_net virtio_blk af_packet > "$conf/modules"
chroot "$chroot" mkinitramfs -d /tmp/initramfs-tools -o /tmp/veriroot.img "$release"
mkdir -p "$(dirname "$out")"
mv "$chroot/tmp/veriroot.img" "$out"
