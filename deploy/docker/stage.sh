#!/usr/bin/env bash
# Gathers programs and the shared libraries that they need, so that an image needs nothing but its base.
#
#   deploy/docker/stage.sh FOLDER BUILD          Kite from its build folder, with all that its image has
#   deploy/docker/stage.sh FOLDER --program P…   the programs P
#
# FOLDER is what an image copies to its root; what the base has itself (the C library) is left out.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

folder="$1"
shift
mkdir -p "$folder/usr/local/bin" "$folder/usr/local/lib"

# Libraries that every Debian has, at the same version.
in_base='^(linux-vdso|ld-linux|libc|libm|libdl|libpthread|librt|libresolv)[.-]'

stage_libraries() { # program, folders of libraries that are staged otherwise
  ldd "$1" | awk '$3 ~ /^\// {print $1, $3}' | while read -r name path; do
    [[ $name =~ $in_base || $path == "$(dirname "$(readlink -f "$1")")"/* ]] && continue
    cp -L --no-clobber "$path" "$folder/usr/local/lib/$name"
  done
}

stage_program() {
  local program
  program="$(readlink -f "$(command -v "$1")")"
  cp "$program" "$folder/usr/local/bin/$(basename "$1")"
  # A static program has no libraries.
  if ldd "$program" >/dev/null 2>&1; then stage_libraries "$program"; fi
}

stage_kite() { # build folder
  mkdir -p "$folder/opt/kite/lib" "$folder/etc/ssl/certs"
  cp "$1/kite" "$folder/opt/kite/kite"
  strip --strip-debug "$folder/opt/kite/kite"
  cp -L "$1"/lib/libarrow.so.* "$1"/lib/libparquet.so.* "$folder/opt/kite/lib/"
  stage_libraries "$1/kite"
  ln -sf /opt/kite/kite "$folder/usr/local/bin/kite"
  ln -sf /opt/kite/kite "$folder/usr/local/bin/milvus"
  stage_program curl # health checks in the compose files of Milvus's users call it
  cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
  cp "$here/entrypoint.sh" "$folder/usr/local/bin/kite-entrypoint"
}

if [[ $1 == --program ]]; then
  shift
  for program in "$@"; do stage_program "$program"; done
else
  stage_kite "$1"
fi
