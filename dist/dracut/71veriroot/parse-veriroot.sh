#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# An image is asked for: bring the network up, and wait for no other root.

command -v getarg > /dev/null || . /lib/dracut-lib.sh

if getarg rd.systemd.pull= > /dev/null; then
    echo "rd.neednet=1" > /etc/cmdline.d/01-veriroot.conf
    getarg ip= > /dev/null || echo "ip=dhcp" >> /etc/cmdline.d/01-veriroot.conf
fi
