#!/usr/bin/env bash
# run_demo.sh [--no-install]: from a fresh clone to words and labels. Installs what is missing,
# builds heed, converts the two demo models to int8, runs them on the demo sound and picture, and
# draws what they attended to. Leaves the program at build/heed and the results in build/demo/.
set -euo pipefail
cd "$(dirname "$0")/../.."

case "${1:-}" in
  "" | --no-install) ;;
  *) echo "usage: platforms/linux/run_demo.sh [--no-install]" >&2; exit 2 ;;
esac

step() { printf '\n== %s\n' "$*"; }

platforms/linux/install_packages.sh "$@"

step "Building build/heed"
mkdir -p build
# -Wno-deprecated: some libraries built from source ask for a CMake older than today's likes.
cmake -S . -B build -G Ninja -Wno-deprecated -DCMAKE_BUILD_TYPE=Release -DHEED_TESTS=OFF >build/configure.log || {
  tail -n 20 build/configure.log >&2
  exit 1
}
cmake --build build --target heed_cli

demo=models/demo
out=build/demo
mkdir -p "$out"
heed=build/heed

step "Keywords: converting $demo/keywords.onnx, then listening to $demo/keywords.wav"
$heed convert $demo/keywords.onnx -o $out/keywords.heed --task $demo/keywords.task.json
$heed run $out/keywords.heed $demo/keywords.wav --attention $out/keywords_attention.png

step "Digits: converting $demo/digits.onnx, then looking at $demo/digits.png"
$heed convert $demo/digits.onnx -o $out/digits.heed --task $demo/digits.task.json
$heed run $out/digits.heed $demo/digits.png --attention $out/digits_attention.png

step "Latency on this machine, one thread"
$heed bench $out/keywords.heed --brief
$heed bench $out/digits.heed --brief

step "What they attended to"
ls "$out"/*.png
