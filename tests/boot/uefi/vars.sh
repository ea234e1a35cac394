#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A store of firmware variables: the next boot is over HTTP from URL. With a certificate, Secure Boot is on, and that is the
# one key there is. Usage (as root): vars.sh CHROOT TEMPLATE URL OUT [CERTIFICATE]
set -euo pipefail
chroot=${1:?} template=${2:?} url=${3:?} out=${4:?}
work=$(mktemp -d "$chroot/root/vars.XXXXXX")
# shellcheck disable=SC2064 # the name is fixed now, not at exit
trap "rm -rf '$work'" EXIT
cp "$template" "$work/in.fd"
inside=/root/${work##*/}
keys=()
if [ $# -gt 4 ]; then
    cp "${5:?}" "$work/certificate.pem"
    owner=7a3c7c2e-5e1b-4d6e-9d0c-3f6f4b1f2a11
    for kind in --set-pk-cert --add-kek-cert --add-db-cert; do keys+=("$kind" "$owner" "$inside/certificate.pem"); done
    keys+=(--secure-boot)
fi
chroot "$chroot" virt-fw-vars --input "$inside/in.fd" --output "$inside/out.fd" --set-boot-uri "$url" "${keys[@]}" > /dev/null 2>&1
mv "$work/out.fd" "$out"
