#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# An initrd that is systemd 262 as it comes: the tree of the peer's directory, less what no initrd has, with the network up
# and a certificate to trust. Boots systemd's own netboot; with dist/mkosi/build-cpio.sh on top, ours.
# Usage (as root): initrd.sh CHROOT CERTIFICATE OUT
set -euo pipefail
chroot=${1:?usage: initrd.sh CHROOT CERTIFICATE OUT} certificate=${2:?} out=${3:?}
here=$(cd "$(dirname "$0")/../.." && pwd)
kernel=$here/build/kernel
release=$(ls "$kernel/lib/modules")
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$(dirname "$out")/initrd.XXXXXX")
# shellcheck disable=SC2064 # the name is fixed now, not at exit
trap "rm -rf '$work'" EXIT

tar -C "$chroot" --one-file-system -c \
    --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' --exclude='./run/*' --exclude='./tmp/*' --exclude='./var/*' \
    --exclude='./boot/*' --exclude='./root/*' --exclude='./usr/share/*' --exclude='./usr/lib/python3*' \
    --exclude='./usr/lib/modules/*' --exclude='./usr/lib/dracut/*' --exclude='./usr/lib/systemd/boot/*' \
    --exclude='./usr/lib/x86_64-linux-gnu/perl*' --exclude='./usr/lib/apt/*' --exclude='./usr/lib/udev/hwdb*' \
    --exclude='./usr/bin/veriroot' --exclude='./usr/lib/gcc/*' --exclude='./usr/include/*' . | tar -C "$work" -x
tree=$work
mkdir -p "$tree"/{proc,sys,dev,run,tmp,var,sysroot,usr/share/dbus-1,usr/lib/modules/"$release"}
cp -r "$chroot"/usr/share/dbus-1/. "$tree/usr/share/dbus-1/"

# What a netboot loads, with what that needs.
cp "$kernel/lib/modules/$release"/modules.builtin "$tree/usr/lib/modules/$release/"
find "$kernel/lib/modules/$release/kernel" -name '*.ko' | grep -E \
    '/(virtio(_pci|_net|_blk)?|virtio_(ring|pci_(modern|legacy)_dev)|net_failover|failover|loop|dm-(mod|verity|bufio)|reed_solomon|erofs|lz4_decompress|squashfs|ext4|jbd2|mbcache|crc(16|32c_generic|32c-intel)|libcrc32c|efivarfs|sha256-(ssse3|generic)|overlay|af_packet)\.ko$' |
    while read -r object; do install -D "$object" "$tree/usr/lib/modules/$release/${object#*"$release"/}"; done
touch "$tree/usr/lib/modules/$release"/modules.{order,builtin.modinfo}
chroot "$tree" depmod -a "$release"

ln -sfn usr/lib/systemd/systemd "$tree/init"
cp "$tree/usr/lib/os-release" "$tree/etc/initrd-release"
printf '%s\n' virtio_pci virtio_net loop dm_mod dm_verity erofs > "$tree/etc/modules-load.d/netboot.conf"
mkdir -p "$tree/etc/verity.d" "$tree/etc/systemd/network"
cp "$certificate" "$tree/etc/verity.d/"
printf '[Match]\nName=e*\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n' > "$tree/etc/systemd/network/10-netboot.network"
echo uninitialized > "$tree/etc/machine-id"
chroot "$tree" systemctl enable systemd-networkd systemd-resolved > /dev/null 2>&1
rm -f "$tree"/usr/lib/systemd/system-generators/systemd-{crypt,getty,ssh,integrity,clone,system-update,factory,hibernate}*
(cd "$tree" && find . -xdev -mindepth 1 | cpio -o -H newc --quiet -R 0:0) | zstd -q -3 > "$out"
