#!/usr/bin/env bash
# clang-tidy over our own sources.
#
#   tools/tidy.sh BUILD_FOLDER JOBS [PATH_PART]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/versions

build="$1" jobs="$2" part="${3:-}"
git ls-files 'src/*.cc' 'engine/*.cc' 'apps/*.cc' | grep -F -- "$part" |
  xargs -r -n 1 -P "$jobs" "clang-tidy-$CLANG_MAJOR" -p "$build" --quiet --warnings-as-errors='*'
