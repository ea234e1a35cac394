#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# The attack corpus over veriroot, and over what its peers have: run.sh SEED PEER
# PEER is the directory of a system with systemd-dissect (tests/peer/chroot.sh makes it); without it, and without
# veritysetup, their columns are left out. Writes build/corpus.txt and build/corpus.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
seed=${1:-1} peer=${2:+$(realpath -m "$2")}
program=${VERIROOT:-target/release/veriroot}
mkdir -p build
loaders=("veriroot=$program audit -q {image} --certificate={anchors} --image-policy={policy}")
options=(--seed "$seed" --table build/corpus.txt --json build/corpus.json)
if [ -x "$peer/usr/bin/systemd-dissect" ]; then
    # The peer sees its own /tmp; systemd takes anchors from /run/verity.d.
    work=$(mktemp -d "$peer/tmp/corpus.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    options+=(--work "$work")
    loaders+=("systemd-dissect:GPT,SEL,POL=tests/corpus/peer.sh $peer {dir} {policy}")
fi
if command -v veritysetup >/dev/null; then
    loaders+=("veritysetup:VER-0=veritysetup verify {data} {hash} {roothash}")
fi
cargo run --locked --release --quiet -p veriroot-corpus -- run "${options[@]}" "${loaders[@]}"
