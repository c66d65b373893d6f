#!/usr/bin/env bash
# run_soak.sh [MINUTES]: builds, converts a keyword spotter (KWT-1 where HEED_TEST_MODELS names the
# real models, else the demo) and runs it a million times or for so long (default: 20 minutes), with
# one thread and with two. Fails unless memory, open files and outputs stay what they were.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=$((60 * ${1:-20}))
mkdir -p build
{ cmake -S . -B build -G Ninja -DHEED_TESTS=ON && cmake --build build --target heed_cli soak; } >build/soak.log 2>&1 ||
  { tail -n 40 build/soak.log >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=models/demo/keywords.onnx
[ ! -f "${HEED_TEST_MODELS:-}/kwt1/kwt1.onnx" ] || source=$HEED_TEST_MODELS/kwt1/kwt1.onnx
build/heed convert "$source" -o "$work/model.heed" --random-samples 0 >/dev/null
for threads in 1 2; do
  echo "$threads threads: $(build/tests/soak "$work/model.heed" $((seconds / 2)) 500000 $threads)"
done
