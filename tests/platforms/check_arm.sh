#!/usr/bin/env bash
# check_arm.sh NATIVE AARCH64 ARMV7: the three build folders. Runs the kernel, engine and task tests
# and the fuzz targets of what a device is given (seeds, corpus, some changes of them) under qemu as
# a Pi 3 (cortex-a53), a Pi 5 (cortex-a76), a newer phone (max) and a 32-bit Pi, then the demo and,
# where HEED_TEST_MODELS names them, real models: their outputs must be the same bits as this
# machine's, save where XNNPACK convolves.
set -euo pipefail

native=$1 aarch64=$2 armv7=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
models=${HEED_TEST_MODELS:-}
tasks=tests/models/tasks

run64() { qemu-aarch64 -cpu "$1" "${@:2}"; }
run32() { qemu-arm -cpu max "$@"; }

tests() {  # tests NAME FOLDER COMMAND...: the test programs of a build folder, each in one process
  local name=$1 folder=$2 log
  shift 2
  for room in ops engine models fuzz; do
    log=$("$@" "$folder/tests/${room}_tests" --order decl 2>&1) || {
      printf '%s, %s tests:\n%s\n' "$name" "$room" "$(tail -n 60 <<<"$log")" >&2
      return 1
    }
    echo "$name, $room tests: $(grep -E '^(All tests passed|test cases:)' <<<"$log")"
  done
}

convert() {  # convert NAME ARGUMENT...
  "$native/heed" convert "${@:2}" -o "$work/$1.heed" --random-samples 0 >/dev/null
}
convert_all() {
  convert keywords models/demo/keywords.onnx --task models/demo/keywords.task.json
  convert digits models/demo/digits.onnx --task models/demo/digits.task.json
  [ -n "$models" ] || return 0
  convert kwt1 "$models/kwt1/kwt1.onnx" --task $tasks/kwt1.json
  cp $tasks/vit_tiny.json "$models/vit_tiny/class_order.tsv" "$work"
  convert vit_tiny "$models/vit_tiny/vit_tiny.onnx" --task "$work/vit_tiny.json"
  convert mnist_vit "$models/mnist_vit/mnist_vit.onnx" --task $tasks/mnist_vit.json
  convert silero_vad "$models/silero_vad/model_mini.onnx" --shape input=1x4000 --task $tasks/silero_vad.json
  convert dates encode="$models/date_transformer/encoder.onnx" decode="$models/date_transformer/decoder.onnx"
  convert whisper "$models/whisper_tiny_en/encoder.onnx" --task $tasks/whisper_encoder.json
}

# The date transformer's inputs: the letters of "5 march 1999" and padding, and the first letter's place.
npy() { printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '$1', 'fortran_order': False, 'shape': ($2), }"; }
zeros() { head -c "$1" /dev/zero; }
dates_inputs() {
  {
    npy '<i8' '1, 27'
    for letter in 8 0 24 13 28 15 20 0 4 12 12 12 36 36 36 36 36 36 36 36 36 36 36 36 36 36 36; do
      printf "\\x$(printf %x $letter)"
      zeros 7
    done
  } >"$work/tokens.npy"
  { npy '<f4' '1, 11, 12'; zeros 44; printf '\0\0\x80\x3f'; zeros 480; } >"$work/target.npy"
}

outputs() {  # outputs FOLDER THREADS COMMAND...: what the program answers and saves for every model
  local folder=$work/$1 threads=$2 heed=("${@:3}") name
  answers() {  # answers MODEL ARGUMENT...
    "${heed[@]}" run "$work/$1.heed" "${@:2}" --threads "$threads" --json | sed 's/"latency_us":[^,}]*//'
  }
  one() {  # one NAME MODEL ARGUMENT...
    name=$1
    mkdir -p "$folder/$name"
    answers "${@:2}" --save "$folder/$name" >"$folder/$name/answers"
  }
  one keywords keywords models/demo/keywords.wav
  one digits digits models/demo/digits.png
  [ -n "$models" ] || return 0
  one kwt1 kwt1 "$models/gsc12/yes/$(ls "$models/gsc12/yes" | head -n 1)"
  one vit_tiny vit_tiny "$models/photos/n02123045_tabby.JPEG"
  one mnist_vit mnist_vit models/demo/digits.png
  one dates_encode dates --entry encode --input tokens="$work/tokens.npy"
  one dates_decode dates --entry decode --input memory="$folder/dates_encode/memory.npy" \
    --input target="$work/target.npy"
  one whisper whisper "$models/whisper_tiny_en/jfk.wav"
  answers silero_vad "$models/whisper_tiny_en/jfk.wav" | grep -o '"index":1,"probability":[^}]*' |
    sed 's/.*://' >"$folder.speech"
}

same() {  # same NAME
  diff -rq "$work/native" "$work/$1" >&2 || { echo "$1 computes other bits than this machine" >&2; return 1; }
  echo "$1: $(ls "$work/native" | wc -l) runs of models, the same bits as this machine"
  [ -n "$models" ] || return 0
  # Silero's convolutions are XNNPACK's, whose order of summing is each machine's own.
  paste "$work/native.speech" "$work/$1.speech" | awk -v name="$1" '
    { off = $1 - $2; if (off < 0) off = -off; if (off > most) most = off; if (($1 > 0.5) != ($2 > 0.5)) ++other }
    END { printf "%s: Silero, %d windows, probabilities at most %.4f apart, %d decided otherwise\n", name, NR, most, other
          exit !(NR == 87 && most < 0.02 && other == 0) }'
}

check() {  # check NAME BUILD THREADS COMMAND...
  local name=$1 build=$2 threads=$3
  shift 3
  tests "$name" "$build" "$@"
  outputs "$name" "$threads" "$@" "$build/heed"
  same "$name"
}

loops() {  # loops BUILD OBJDUMP: no sum of an inner loop may have left its register
  printf '%s: ' "$1"
  python3 -B tests/tidy/inner_loops.py "$2" "$1/ops_objects.txt"
}

small() {  # small BUILD STRIP MOST: what one copies to a Pi
  "$2" -o "$work/stripped" "$1/heed"
  local bytes
  bytes=$(stat -c %s "$work/stripped")
  echo "$1/heed, static and stripped: $bytes bytes of at most $3"
  [ "$bytes" -le "$3" ] || { echo "$1/heed has grown beyond $3 bytes" >&2; return 1; }
}

small "$aarch64" aarch64-linux-gnu-strip 2500000
loops "$aarch64" aarch64-linux-gnu-objdump
loops "$armv7" arm-linux-gnueabihf-objdump
convert_all
dates_inputs
outputs native 1 "$native/heed"

# Two at a time: an emulator uses one core.
failed=no
both() { wait "$1" || failed=yes; wait "$2" || failed=yes; }
check "armv7" "$armv7" 2 run32 & first=$!
check "aarch64 cortex-a53" "$aarch64" 1 run64 cortex-a53 & both $first $!
check "aarch64 cortex-a76" "$aarch64" 1 run64 cortex-a76 & first=$!
check "aarch64 max" "$aarch64" 2 run64 max & both $first $!
[ $failed = no ]
