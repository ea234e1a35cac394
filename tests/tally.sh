#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs commands that are `cargo test`, all of them whatever fails, and closes with one line that counts every test binary.
# Usage: tally.sh COMMAND...      (each one word, as for `sh -c`)
# Fails if a command failed, a test failed, or no test ran.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp); trap 'rm -f "$log"' EXIT
status=0
for command in "$@"; do
    echo "+ $command"
    bash -c "$command" 2>&1 | tee -a "$log" || { status=1; failed+=("$command"); }
done
read -r passed missed ignored < <(awk '
    /^test result: / { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^failed/) f += $(i-1); if ($i ~ /^ignored/) s += $(i-1) } }
    END { print p + 0, f + 0, s + 0 }' "$log")
for command in "${failed[@]+"${failed[@]}"}"; do echo "failed: $command" >&2; done
if [ "$passed" = 0 ] || [ "$missed" != 0 ]; then status=1; fi
# A command that failed with no test to blame (it did not compile, it crashed) counts as one.
if [ $status != 0 ] && [ "$missed" = 0 ]; then missed=1; fi
echo "$passed passed, $missed failed, $ignored skipped"
exit $status
