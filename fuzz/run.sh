#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs fuzz targets one after the other: run.sh SECONDS [TARGET...]
# Prints executions, new inputs and findings of each; fails if there is a finding.
set -euo pipefail
cd "$(dirname "$0")"
seconds=$1
shift
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
program=target/$host/release
# No parser has unsafe code, so a sanitizer would watch the standard library: SANITIZER=address turns it on all the same.
cargo +nightly fuzz build --sanitizer "${SANITIZER:-none}" --fuzz-dir .
(cd .. && cargo run --locked --quiet -p veriroot-properties -- seeds fuzz/seeds.new)
rm -rf target/seeds && mv seeds.new target/seeds
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list --fuzz-dir .)
findings=0
printf '%-18s %12s %9s %7s %9s\n' target executions per-second corpus findings
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target" "artifacts/$target" target/logs
    dictionary=()
    [ ! -s "target/seeds/$target.dict" ] || dictionary=("-dict=target/seeds/$target.dict")
    log=target/logs/$target.log
    # A finding ends libFuzzer: it is noted, and the target goes on for the rest of its time.
    end=$((SECONDS + seconds)) found=0 runs=0
    while left=$((end - SECONDS)) && [ "$left" -gt 0 ]; do
        if "$program/$target" "corpus/$target" "target/seeds/$target" \
            "${dictionary[@]}" -artifact_prefix="artifacts/$target/" \
            -max_total_time="$left" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
            -print_final_stats=1 >"$log" 2>&1; then
            :
        else
            found=$((found + 1))
            cp "$log" "target/logs/$target.finding-$found.log"
        fi
        runs=$((runs + $(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1 || true)))
        [ "$found" -lt 10 ] || break
    done
    findings=$((findings + found))
    corpus=$(find "corpus/$target" -type f | wc -l)
    printf '%-18s %12d %9d %7d %9d\n' "$target" "$runs" "$((runs / seconds))" "$corpus" "$found"
done
[ "$findings" -eq 0 ]
