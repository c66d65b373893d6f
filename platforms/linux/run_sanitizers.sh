#!/usr/bin/env bash
# run_sanitizers.sh [--werror]: builds with Clang and runs, under AddressSanitizer and UndefinedBehaviorSanitizer,
# the tests of the engine and of the tasks and the fuzz targets of what a device is given (seeds,
# corpus and HEED_FUZZ_ROUNDS changes of them, the same always); under ThreadSanitizer, what runs on several
# threads. HEED_THREAD_TESTS=. runs all of the engine's tests under it.
# Plain C++ kernels, which are quick to build; run_fuzz.sh searches, in the converter too.
set -euo pipefail
cd "$(dirname "$0")/../.."

strict=()
[ "${1:-}" != --werror ] || strict=(-DHEED_WERROR=ON)
. platforms/linux/reuse_xnnpack.sh

build() {  # build FOLDER SANITIZERS TEST-FILES TARGET...: prints the compiler's words only when it fails
  local folder=$1 sanitizers=$2 files=$3
  shift 3
  mkdir -p "$folder"
  {
    cmake -S . -B "$folder" -G Ninja -Wno-deprecated -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O1 -DNDEBUG" \
      -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DHEED_TESTS=ON -DHEED_CONVERTER=OFF -DHEED_PORTABLE=ON \
      -DHEED_SANITIZE="$sanitizers" -DHEED_TEST_FILES="$files" "${strict[@]}" "${reuse[@]}" &&
    cmake --build "$folder" --target "$@"
  } >"$folder/build.log" 2>&1 || {
    grep -vE '^\[[0-9]+/[0-9]+\]' "$folder/build.log" | tail -n 60 >&2
    exit 1
  }
}
run() {  # run PROGRAM [TEST...]: quiet unless it fails
  "$@" --order decl >"$1.log" 2>&1 || {
    tail -n 60 "$1.log" >&2
    exit 1
  }
  echo "$(basename "$1"): $(grep -E '^(All tests passed|test cases:)' "$1.log")"
}

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
build build-sanitized address,undefined . engine_tests models_tests fuzz_tests
# With workers the sanitizers allocate during a run themselves: other builds count what we do.
run build-sanitized/tests/engine_tests "~a run allocates nothing*"
run build-sanitized/tests/models_tests
run build-sanitized/tests/fuzz_tests
build build-threads thread "${HEED_THREAD_TESTS:-/(shared_model|threads|session|faults)_test}" engine_tests
run build-threads/tests/engine_tests
