#!/usr/bin/env bash
# run_coverage.sh [CHANGES]: how many lines of the loader the fuzz target of .heed files reaches with its
# seeds, its corpus and so many changes of them (default: 20,000), file by file. Fails below 90 of 100.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=build-coverage
loader=(engine/verify.cpp engine/verify_meaning.cpp engine/verify_plan.cpp engine/written_ranges.cpp
        engine/lifetimes.cpp engine/model.cpp engine/nodes/op_check.cpp)
. platforms/linux/reuse_xnnpack.sh
mkdir -p $folder
{
  cmake -S . -B $folder -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_CXX_FLAGS_RELEASE="-O1 -DNDEBUG -fprofile-instr-generate -fcoverage-mapping" \
    -DHEED_TESTS=ON -DHEED_CONVERTER=OFF -DHEED_PORTABLE=ON "${reuse[@]}" &&
  cmake --build $folder --target fuzz_changes
} >$folder/build.log 2>&1 || { tail -n 40 $folder/build.log >&2; exit 1; }
LLVM_PROFILE_FILE=$folder/raw $folder/tests/fuzz_changes heed "${1:-20000}"
llvm-profdata merge $folder/raw -o $folder/profile
llvm-cov report $folder/tests/fuzz_changes -instr-profile=$folder/profile >$folder/report 2>/dev/null
awk -v loader="${loader[*]}" '
  BEGIN { split(loader, names, " "); for (i in names) wanted[names[i]] = 1 }
  $1 in wanted { printf "%s: %d of %d lines\n", $1, $8 - $9, $8; reached += $8 - $9; all += $8; ++found }
  END { printf "together: %d of %d lines, %.1f %%\n", reached, all, 100 * reached / all
        exit !(found == length(wanted) && reached >= 0.9 * all) }' $folder/report
