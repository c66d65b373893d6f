#!/usr/bin/env bash
# check_arm.sh NATIVE AARCH64 ARMV7: the three build folders. Runs the kernel, engine and task tests
# under qemu as a Pi 3 (cortex-a53), a Pi 5 (cortex-a76), a newer phone (max) and a 32-bit Pi, then
# the demo and, where HEED_TEST_MODELS names them, real models: their outputs must be the same bits
# as this machine's.
set -euo pipefail

native=$1 aarch64=$2 armv7=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
models=${HEED_TEST_MODELS:-}

run64() { qemu-aarch64 -cpu "$1" "${@:2}"; }
run32() { qemu-arm -cpu max "$@"; }

tests() {  # tests NAME COMMAND...: the test programs of a build folder, each in one process
  local name=$1 folder=$2
  shift 2
  for room in ops engine models; do
    printf '%s, %s tests: ' "$name" "$room"
    "$@" "$folder/tests/${room}_tests" --order decl >"$work/log" 2>&1 || {
      tail -n 60 "$work/log"
      exit 1
    }
    tail -n 2 "$work/log" | head -n 1
  done
}

# Models small enough for an emulator: name, source, task file, input tensor, its .npy file.
prepare() {
  "$native/heed" convert models/demo/keywords.onnx -o "$work/keywords.heed" --task models/demo/keywords.task.json --random-samples 0 >/dev/null
  "$native/heed" convert models/demo/digits.onnx -o "$work/digits.heed" --task models/demo/digits.task.json --random-samples 0 >/dev/null
  cases=("keywords models/demo/keywords.wav" "digits models/demo/digits.png")
  if [ -n "$models" ]; then
    "$native/heed" convert "$models/kwt1/kwt1.onnx" -o "$work/kwt1.heed" --task tests/models/tasks/kwt1.json --random-samples 0 >/dev/null
    cp tests/models/tasks/vit_tiny.json "$models/vit_tiny/class_order.tsv" "$work"
    "$native/heed" convert "$models/vit_tiny/vit_tiny.onnx" -o "$work/vit_tiny.heed" --task "$work/vit_tiny.json" --random-samples 0 >/dev/null
    cases+=("kwt1 $models/gsc12/yes/$(ls "$models/gsc12/yes" | head -n 1)" "vit_tiny $models/photos/n02123045_tabby.JPEG")
  fi
}

outputs() {  # outputs FOLDER COMMAND...: runs every case, leaving its output tensors in the folder
  local folder=$1
  shift
  for entry in "${cases[@]}"; do
    local name=${entry%% *} input=${entry#* }
    "$@" run "$work/$name.heed" "$input" --threads 1 --save "$folder/$name" >/dev/null
  done
}

prepare
outputs "$work/native" "$native/heed"
same() {
  diff -rq "$work/native" "$work/$1" || { echo "$1 computes other bits than this machine" >&2; exit 1; }
  echo "$1: ${#cases[@]} models, the same bits as this machine"
}

for cpu in cortex-a53 cortex-a76 max; do
  tests "aarch64 $cpu" "$aarch64" run64 "$cpu"
  outputs "$work/$cpu" run64 "$cpu" "$aarch64/heed"
  same "$cpu"
done
tests "armv7" "$armv7" run32
outputs "$work/armv7" run32 "$armv7/heed"
same armv7
