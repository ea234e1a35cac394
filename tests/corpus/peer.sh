#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Asks the systemd of another root about one case: peer.sh PEER DIRECTORY POLICY
# systemd-dissect --validate judges table, layout and policy; it sets nothing up, so of blocks, signatures and file systems
# it is not asked.
set -u
peer=$1 directory=${2#"$1"} policy=$3
exec chroot "$peer" systemd-dissect --validate --image-policy="$policy" "$directory/image.raw"
