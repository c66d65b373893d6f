#!/usr/bin/env bash
# run_tests.sh [--no-install] [--native] [--werror]: installs what is missing, builds with GCC and runs
# the whole test suite; then, on a PC, builds with Clang, once more with sanitizers (run_sanitizers.sh),
# and cross-builds for 64-bit and 32-bit ARM, whose tests run under qemu. --native leaves Clang and ARM
# out; with --werror a warning is an error.
#
# HEED_TEST_MODELS may name a folder of real trained models; tests that need it are skipped without.
set -euo pipefail
cd "$(dirname "$0")/../.."

native=no
install=() strict=() werror=()
for argument in "$@"; do
  case "$argument" in
    --native) native=yes ;;
    --werror) strict=(-DHEED_WERROR=ON) werror=(--werror) ;;
    --no-install) install=(--no-install) ;;
    *) echo "usage: platforms/linux/run_tests.sh [--no-install] [--native] [--werror]" >&2; exit 2 ;;
  esac
done
[ "$(uname -m)" = x86_64 ] || native=yes

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

# configure FOLDER [cmake argument...]: quiet unless it fails.
configure() {
  local folder=$1
  shift
  mkdir -p "$folder"
  cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release "${strict[@]}" "$@" >"$folder/configure.log" 2>&1 || {
    tail -n 30 "$folder/configure.log" >&2
    exit 1
  }
}
# build FOLDER: prints the compiler's words only when it fails.
build() {
  cmake --build "$1" >"$1/build.log" 2>&1 || {
    grep -vE '^\[[0-9]+/[0-9]+\]' "$1/build.log" | tail -n 60 >&2
    exit 1
  }
}
run_tests() {
  local folder=$1
  shift
  ctest --test-dir "$folder" --output-on-failure --timeout 300 -j "$(nproc)" "$@" 2>&1 |
    { grep -vE '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test.*(Passed|Skipped))' || true; }
}

if [ $native = yes ]; then
  platforms/linux/install_packages.sh "${install[@]}" tests
else
  platforms/linux/install_packages.sh "${install[@]}" tests clang cross
fi

step "GCC: build"
configure build -DHEED_TESTS=ON
build build
step "GCC: tests"
run_tests build

if [ $native = no ]; then
  step "Clang: build and kernel tests"
  . platforms/linux/reuse_xnnpack.sh
  configure build-clang -DHEED_TESTS=ON -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ "${reuse[@]}"
  build build-clang
  run_tests build-clang -R '^(ops|engine):|^tidy: .*sums in'

  step "Clang: sanitizers"
  platforms/linux/run_sanitizers.sh "${werror[@]}"

  step "aarch64: cross build"
  configure build-aarch64 -DCMAKE_TOOLCHAIN_FILE=platforms/raspberry_pi/aarch64.cmake -DHEED_CONVERTER=OFF \
    -DHEED_STATIC=ON -DHEED_TESTS=ON -DHEED_DOWNLOADS="$PWD/build/downloads"
  build build-aarch64
  step "armv7: cross build"
  configure build-armv7 -DCMAKE_TOOLCHAIN_FILE=platforms/raspberry_pi/armv7.cmake -DHEED_CONVERTER=OFF \
    -DHEED_STATIC=ON -DHEED_TESTS=ON -DHEED_DOWNLOADS="$PWD/build/downloads"
  build build-armv7
  step "ARM: tests and models under qemu, bit for bit against this machine"
  tests/platforms/check_arm.sh build build-aarch64 build-armv7
fi
step "All tests passed"
