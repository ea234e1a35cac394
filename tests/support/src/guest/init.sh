#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# First program of a test guest (busybox). Boots the command line it was given: into the root, or, on a refusal, lists what
# is there and powers off. If the initrd holds scenarios, runs those one after the other, each with its own command line.
export PATH=/bin:/usr/bin
mkdir -p /proc /sys /run /tmp /sysroot
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs -o mode=0755 tmpfs /run

# Kernel messages between markers would tear them: they are printed from the log where they are wanted.
dmesg -n 1

# A module's parameters stand on the command line as module.name=value, where modprobe reads them too.
while read -r module; do
    parameters=$(tr ' ' '\n' < /proc/cmdline | sed -n "s/^$module\.//p")
    # shellcheck disable=SC2086 # one word per parameter
    insmod "/lib/modules/$module.ko" $parameters || echo "INIT: insmod $module failed"
done < /lib/modules/order

# Where the firmware says what it loaded, if there is such a firmware.
[ -d /sys/firmware/efi/efivars ] && mount -t efivarfs efivarfs /sys/firmware/efi/efivars

# The network as a machine in the field gets it: by DHCP.
ip link set lo up
ip link set eth0 up
cat > /run/leased <<'SCRIPT'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
for gateway in $router; do ip route add default via "$gateway" dev "$interface"; done
SCRIPT
chmod +x /run/leased
udhcpc -i eth0 -s /run/leased -n -q -t 20 -T 1 > /dev/null 2>&1 || echo "INIT: no lease"

# What the kernel and the device tree hold: two listings that are equal say that nothing was exposed between them.
state() {
    echo "STATE $1"
    while read -r source point type _; do echo "STATE mount $point $type $source"; done < /proc/mounts
    for device in /sys/block/dm-*; do
        [ -e "$device" ] && echo "STATE dm $(cat "$device/dm/name") ro=$(cat "$device/ro") uuid=$(cat "$device/dm/uuid")"
    done
    for device in /sys/block/loop*/loop; do
        [ -e "$device" ] && echo "STATE loop ${device#/sys/block/} backing=$(cat "$device/backing_file")"
    done
    find /dev/mapper /dev/disk /sysroot /run/veriroot/overlay /run/extensions /run/confexts /run/portables /run/machines \
        \( ! -type d -o -path "/run/*/*" \) 2>/dev/null | while read -r path; do echo "STATE path $path"; done
    ps -o comm= | grep veriroot | while read -r name; do echo "STATE process $name"; done
    echo "STATE end"
}

seconds() { cut -d ' ' -f 1 /proc/uptime; }

# In a PID namespace a reboot ends the namespace and not the guest (its status is 129 then), and nothing outlives it. Its
# first process can't be killed from inside, so that is a shell; the second command keeps it from becoming the first.
contained() {
    unshare -p -f sh -c '"$@"; exit $?' sh "$@" < /dev/null 2>&1
}

scenario() {
    name=${1##*/}
    mount --bind "$1/cmdline" /proc/cmdline
    for place in etc/veriroot/policy.d etc/verity.d; do
        if [ -d "$1/$place" ]; then mount --bind "$1/$place" "/$place"; fi
    done
    dmesg -c > /dev/null
    echo "SCENARIO $name BEGIN $(seconds)"
    state before
    contained timeout -s KILL "$(cat "$1/limit")" sh "$1/run"
    code=$?
    state after
    dmesg -c | sed 's/^/KERNEL /'
    echo "SCENARIO $name END exit=$code $(seconds)"
    for place in /proc/cmdline /etc/veriroot/policy.d /etc/verity.d; do umount "$place" 2>/dev/null; done
}

echo "INIT: ready $(seconds)"
if [ -d /scenarios ]; then
    for directory in /scenarios/*; do scenario "$directory"; done
    poweroff -f
fi
dmesg -c > /dev/null
state before
if [ -e /bare ]; then veriroot boot; else contained veriroot boot; fi
code=$?
if [ $code = 0 ]; then
    echo "INIT: root ready $(seconds)"
    for place in dev proc sys run; do mount --move "/$place" "/sysroot/$place"; done
    exec switch_root /sysroot /sbin/init
fi
echo "INIT: no root, exit=$code $(seconds)"
state after
dmesg | sed 's/^/KERNEL /'
poweroff -f
