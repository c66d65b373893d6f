#!/usr/bin/env bash
# count_instructions.sh BUILD [TEXT [TOP]]: the instructions that linear and attention execute on the
# shapes of real models, next to XNNPACK's, on the CPU models of a Pi 3, a Pi 5 and a newer phone.
# BUILD: an aarch64 build folder with tests. TEXT: only rows that contain it. TOP: how many of the
# basic blocks that most of them belong to are listed. Counts are the same on every run; they are not
# cycles.
#
# Needs gcc and the qemu-user of Debian 12 (7.2: newer packages take no plugins). The plugin's header
# is in no package: it comes out of qemu's source archive, whose place QEMU_SOURCE (an unpacked
# folder) may name; else it is downloaded from the package mirror into BUILD.
set -euo pipefail

build=${1:?usage: count_instructions.sh BUILD [TEXT [TOP]]} text=${2:-} top=${3:-0}
here=$(cd "$(dirname "$0")" && pwd)
work=$build/instruction_counter
archive=qemu_7.2+dfsg.orig.tar.xz

qemu-aarch64 --help 2>/dev/null | grep -q -- -plugin || {
  echo "qemu-aarch64 takes no plugins here: install qemu-user of Debian 12" >&2
  exit 1
}
if [ ! -e "$work/counter.so" ]; then
  mkdir -p "$work"
  source=${QEMU_SOURCE:-$work}
  header=$(find "$source" -name qemu-plugin.h -print -quit)
  if [ -z "$header" ]; then
    for mirror in $(apt-get indextargets --format '$(REPO_URI)' | grep -E '^https?:' | sort -u); do
      curl -sfL -o "$work/$archive" "${mirror%/}/pool/main/q/qemu/$archive" && break
    done
    tar -C "$work" -xf "$work/$archive" --wildcards --no-anchored 'include/qemu/qemu-plugin.h'
    rm "$work/$archive"
    header=$(find "$work" -name qemu-plugin.h -print -quit)
  fi
  gcc -O2 -Wall -fPIC -shared -I"$(dirname "$header")" -o "$work/counter.so" "$here/instruction_counter.c"
fi
for cpu in cortex-a53 cortex-a76 max; do
  echo "== $cpu"
  qemu-aarch64 -cpu "$cpu" -plugin "$work/counter.so,top=$top" "$build/tests/count_instructions" "$text"
done
