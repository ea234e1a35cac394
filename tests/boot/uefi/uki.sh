#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A unified kernel image with the systemd-stub of the chroot. Usage (as root):
# uki.sh CHROOT KERNEL INITRD CMDLINE OUT [KEY CERTIFICATE]      (with a key: signed for Secure Boot)
set -euo pipefail
chroot=${1:?} kernel=${2:?} initrd=${3:?} cmdline=${4:?} out=${5:?}
work=$(mktemp -d "$chroot/root/uki.XXXXXX")
# shellcheck disable=SC2064 # the name is fixed now, not at exit
trap "rm -rf '$work'" EXIT
cp "$kernel" "$work/linux"
zstd -q -3 < "$initrd" > "$work/initrd"
inside=/root/${work##*/}
signing=()
if [ $# -gt 5 ]; then
    cp "${6:?}" "$work/key.pem"
    cp "${7:?}" "$work/certificate.pem"
    signing=(--signtool=sbsign "--secureboot-private-key=$inside/key.pem" "--secureboot-certificate=$inside/certificate.pem")
fi
chroot "$chroot" ukify build "--linux=$inside/linux" "--initrd=$inside/initrd" "--cmdline=$cmdline" \
    --stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub --os-release='ID=veriroot-test' "${signing[@]}" \
    "--output=$inside/uki.efi" > /dev/null
mv "$work/uki.efi" "$out"
