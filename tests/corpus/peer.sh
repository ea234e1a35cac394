#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Asks the systemd of another root about one case: peer.sh PEER DIRECTORY POLICY
# systemd-dissect --validate judges table, layout and policy; it sets nothing up, so it says nothing of blocks and
# signatures that policy does not ask for.
set -u
peer=$1 directory=${2#"$1"} policy=$3
exec chroot "$peer" systemd-dissect --validate --image-policy="$policy" "$directory/image.raw"
