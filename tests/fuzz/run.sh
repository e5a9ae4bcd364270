#!/usr/bin/env bash
# Builds the fuzz targets under ASan and UBSan and runs each for a while from its seeds; what it finds stays in build/fuzz/found.
#   tests/fuzz/run.sh [SECONDS] [NAME...]     300 seconds and every target unless told; NAME as in tests/fuzz/NAME_fuzz.cc
# Prints a line a target; the exit code is 1 when one found something.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-300}
[ $# -gt 0 ] && shift
names=("$@")
[ ${#names[@]} -gt 0 ] || for file in tests/fuzz/*_fuzz.cc; do name=$(basename "$file" _fuzz.cc); names+=("$name"); done
[ -f build/fuzz/build.ninja ] || cmake --preset fuzz >/dev/null
cmake --build build/fuzz --target "${names[@]/%/_fuzz}" >/dev/null
mkdir -p build/fuzz/found
failed=0
for name in "${names[@]}"; do
  grown=build/fuzz/corpus/$name log=build/fuzz/$name.log
  mkdir -p "$grown"
  outcome=clean
  build/fuzz/bin/"${name}_fuzz" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$name-" "$grown" "tests/fuzz/corpus/${name}_fuzz" >"$log" 2>&1 || { outcome="FAILED, see $log"; failed=1; }
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  echo "$name: ${runs:-?} runs, $seconds s, $outcome"
done
exit $failed
