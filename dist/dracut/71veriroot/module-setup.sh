#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# dracut module: verified network boots. Opt-in: add_dracutmodules+=" veriroot "

# Only where it is asked for by name.
check() {
    require_binaries veriroot || return 1
    return 255
}

# Behind the network modules, by its number.
depends() {
    echo systemd systemd-udevd network dm
}

installkernel() {
    # For any machine, whatever this one uses.
    hostonly='' instmods loop dm-verity erofs squashfs ext4 xfs btrfs vfat overlay efivarfs
    # What they, and dm-verity, ask the kernel for when they load.
    hostonly='' instmods crc32c sha256 "=fs/nls" "=arch/*/crypto"
}

install() {
    inst_hook cmdline 10 "$moddir/parse-veriroot.sh"

    inst_multiple veriroot
    ln_r /usr/bin/veriroot "$systemdutildir/system-generators/veriroot-generator"
    inst_simple "$moddir/veriroot-boot.service" "$systemdsystemunitdir/veriroot-boot.service"
    inst_simple "$moddir/modules-load.conf" /usr/lib/modules-load.d/veriroot.conf

    # One loader per boot: veriroot refuses to run beside these.
    local name
    mkdir -p "${initdir}/etc/systemd/system-generators"
    while read -r name; do
        [[ $name == "#"* ]] || ln -sfn /dev/null "${initdir}/etc/systemd/system-generators/$name"
    done < "$moddir/masks"

    # Whom to trust, and what to demand. Nothing of this may come from anywhere else.
    inst_multiple -o "/etc/verity.d/*.crt" "/usr/lib/verity.d/*.crt" \
        "/etc/veriroot/policy.d/*.toml" "/usr/lib/veriroot/policy.d/*.toml" \
        /etc/ssl/certs/ca-certificates.crt
    inst_multiple -o "$udevdir/rules.d/*veriroot*.rules" "/etc/systemd/import-pubring.*" "/usr/lib/systemd/import-pubring.*"

    inst_dir /etc/verity.d
    inst_dir /etc/veriroot/policy.d
    inst_dir /sysroot
}
