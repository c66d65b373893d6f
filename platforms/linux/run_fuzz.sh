#!/usr/bin/env bash
# run_fuzz.sh [--werror] [SECONDS [TARGET...]]: builds the fuzz targets (tests/fuzz) with Clang, AddressSanitizer
# and UndefinedBehaviorSanitizer, and lets libFuzzer search each for so long (default: an hour in all,
# shared among them). What it learns stays in build-fuzz/corpus and is where the next search starts;
# what breaks a target is left in build-fuzz/crashes: mend the code, then add the file, made small with
# -minimize_crash=1, to tests/fuzz/corpus/TARGET, where every test run replays it.
#
# HEED_FUZZ_RUNS=N: stop each target after N inputs, whichever comes first; the same seed always.
#
# run_fuzz.sh [--werror] --changes N [TARGET...]: N changes of the seeds and of the corpus of each instead,
# without looking where they lead: some thousand a second. HEED_FUZZ_SEED=S: others.
set -euo pipefail
cd "$(dirname "$0")/../.."

strict=() changes=
if [ "${1:-}" = --werror ]; then
  strict=(-DHEED_WERROR=ON)
  shift
fi
if [ "${1:-}" = --changes ]; then
  changes=${2:?how many}
  shift 2
else
  seconds=${1:-}
  [ $# -eq 0 ] || shift
fi
if [ -n "$changes" ]; then
  fuzz=build-changes program_target=fuzz_changes sanitizers=address,undefined search=OFF
else
  fuzz=build-fuzz program_target=heed_fuzz sanitizers=address,undefined,fuzzer-no-link search=ON
fi
. platforms/linux/reuse_xnnpack.sh
mkdir -p $fuzz
{
  cmake -S . -B $fuzz -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O1 -DNDEBUG" \
    -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DHEED_TESTS=ON -DHEED_FUZZ=$search \
    -DHEED_SANITIZE=$sanitizers "${strict[@]}" "${reuse[@]}" &&
  cmake --build $fuzz --target $program_target
} >$fuzz/build.log 2>&1 || { tail -n 40 $fuzz/build.log >&2; exit 1; }

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=max_allocation_size_mb=1024
program=$PWD/$fuzz/tests/$program_target
if [ $# -gt 0 ]; then
  targets=("$@")
else
  read -r -a targets < <("$program" 2>&1 | sed -n 's/^.*targets: //p')
fi
failed=0
if [ -n "$changes" ]; then
  mkdir -p $fuzz/crashes
  cd $fuzz/crashes
  for target in "${targets[@]}"; do
    "$program" "$target" "$changes" "${HEED_FUZZ_SEED:-1}" || failed=1
  done
  exit $failed
fi
seconds=${seconds:-$((3600 / ${#targets[@]}))}
for target in "${targets[@]}"; do
  seeds=$fuzz/seeds/$target corpus=$fuzz/corpus/$target crashes=$fuzz/crashes/$target
  rm -rf "$seeds"
  mkdir -p "$seeds" "$corpus" "$crashes"
  HEED_FUZZ_TARGET=$target HEED_FUZZ_SEEDS=$seeds "$program"
  known=()
  [ ! -d "tests/fuzz/corpus/$target" ] || known=("tests/fuzz/corpus/$target")
  # An endless input ends here; one that takes too much processor time ends itself.
  HEED_FUZZ_TARGET=$target "$program" "$corpus" "$seeds" "${known[@]}" \
    -max_total_time="$seconds" -runs="${HEED_FUZZ_RUNS:--1}" -seed=1 -timeout=120 \
    -rss_limit_mb=2048 -malloc_limit_mb=1024 -max_len=65536 -artifact_prefix="$crashes/" -print_final_stats=1 \
    >"$fuzz/$target.log" 2>&1 || { failed=1; grep -E 'ERROR|SUMMARY|runtime error' "$fuzz/$target.log" | head -n 5 >&2; }
  echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$fuzz/$target.log") inputs," \
    "$(find "$crashes" -type f | wc -l) of them kept in $crashes, $(grep -o 'cov: [0-9]*' "$fuzz/$target.log" | tail -n 1)"
done
exit $failed
