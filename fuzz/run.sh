#!/usr/bin/env bash
# Fuzzes every target for so many seconds: fuzz/run.sh SECONDS [TARGET…]
# Builds as cargo-fuzz does, but with the toolchain that is there and nothing else. What is found
# lies in fuzz/artifacts/TARGET, what is learned in fuzz/corpus/TARGET; both stay out of the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=${1:?fuzz/run.sh SECONDS [TARGET…]}
shift
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(token record checkpoint proof bundle receipt
    trusted_list log_keys witness tlog_proof hash_tree revocation)

# A limit of memory for one input, in MiB, and of seconds.
memory_max=512
input_seconds_max=10

folder=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
coverage=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Ccodegen-units=16
    --cfg=fuzzing
)
# With --target, so that the flags are for what is run and not for what builds it.
RUSTFLAGS="${coverage[*]}" CARGO_TARGET_DIR=$folder \
    cargo build --locked --release --bins --target "$host"

for target in "${targets[@]}"; do
    mkdir -p "corpus/$target" "artifacts/$target"
    printf '%s: %s s\n' "$target" "$seconds"
    "$folder/$host/release/$target" -max_total_time="$seconds" -timeout="$input_seconds_max" \
        -rss_limit_mb="$memory_max" -print_final_stats=1 -verbosity=0 -max_len=65536 \
        -artifact_prefix="artifacts/$target/" "corpus/$target" "seeds/$target" 2>&1 |
        grep -vE '^(INFO|Dictionary|#)' || { echo "$target: see fuzz/artifacts/$target" >&2; exit 1; }
done
