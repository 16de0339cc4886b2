#!/usr/bin/env bash
# Runs every fuzzer of a build for a while, one after the other, and fails if one of them found something.
#
#   tools/fuzz/run.sh BUILD_FOLDER SECONDS_EACH [NAME_PART]
#
# New inputs that reach new code go to BUILD_FOLDER/corpus/<fuzzer>; an input that breaks something is written to
# BUILD_FOLDER/found/<fuzzer>-…: fix the code, then keep the input in the corpus beside the fuzzer.
set -euo pipefail

build="$1" seconds="$2" part="${3:-}"
mkdir -p "$build/found"
passed=0 failed=0
while IFS='|' read -r program stored; do
  [[ -n $program && $program == *"$part"* ]] || continue
  grown="$build/corpus/$program"
  mkdir -p "$grown"
  corpora=("$grown")
  [[ -d $stored ]] && corpora+=("$stored")
  echo "== $program, $seconds s"
  if "$build/$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -verbosity=0 -artifact_prefix="$build/found/$program-" "${corpora[@]}"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
done <"$build/fuzzers.txt"
echo "fuzz: $passed passed, $failed failed"
exit $((failed > 0))
