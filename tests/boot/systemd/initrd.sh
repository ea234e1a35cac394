#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# An initrd of dracut and systemd 262 with veriroot in it, made in the chroot of tests/peer/chroot.sh: no certificate and
# no policy in it, which the tests add. Usage (as root): initrd.sh CHROOT PROGRAM OUT
set -euo pipefail
chroot=${1:?usage: initrd.sh CHROOT PROGRAM OUT} program=${2:?} out=${3:?}
here=$(cd "$(dirname "$0")/../../.." && pwd)
release=$(ls "$here/build/kernel/lib/modules")

"$here/tests/peer/modules.sh" "$chroot"

# As a package would install them.
install -D "$program" "$chroot/usr/bin/veriroot"
rm -rf "$chroot/usr/lib/dracut/modules.d/71veriroot"
cp -r "$here/dist/dracut/71veriroot" "$chroot/usr/lib/dracut/modules.d/"
cp "$here"/dist/systemd/{veriroot-boot.service,masks,modules-load.conf} "$chroot/usr/lib/dracut/modules.d/71veriroot/"
rm -f "$chroot"/usr/lib/udev/rules.d/*veriroot*
if [ -d "$here/dist/udev" ]; then cp "$here"/dist/udev/*.rules "$chroot/usr/lib/udev/rules.d/"; fi

# systemd's importer goes in as well: that it stays silent is what the tests show.
chroot "$chroot" dracut --quiet --force --no-hostonly --no-hostonly-cmdline --kver "$release" --no-early-microcode \
    --add 'veriroot systemd-import systemd-networkd systemd-veritysetup' \
    --omit 'plymouth hwdb kernel-modules kernel-modules-extra crypt lvm mdraid i18n network-manager connman resume qemu' \
    --add-drivers 'virtio_pci virtio_net virtio_blk' --compress 'zstd -3' /tmp/veriroot.img
mkdir -p "$(dirname "$out")"
mv "$chroot/tmp/veriroot.img" "$out"
