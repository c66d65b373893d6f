#!/usr/bin/env bash
# install_packages.sh [--no-install] [package set...]: makes sure that what the build needs is there.
# Sets: build (always), tests, clang, cross. Only what is missing is installed; with --no-install it
# is named and the script fails.
set -euo pipefail

install=yes
sets=(build)
for argument in "$@"; do
  case "$argument" in
    --no-install) install=no ;;
    build) ;;
    tests | clang | cross) sets+=("$argument") ;;
    *) echo "install_packages.sh: unknown argument '$argument'" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "This machine has no dpkg: install the libraries named in this script by hand, then build with CMake." >&2
  exit 0
fi

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
can_install=$install
[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || can_install=no
apt_get() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@"; }
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p'; }

packages=() optional=(libxnnpack-dev libminiaudio-dev)
for set in "${sets[@]}"; do
  case "$set" in
    build) packages+=(g++ cmake ninja-build python3-minimal ca-certificates flatbuffers-compiler libflatbuffers-dev
                      nlohmann-json3-dev libcli11-dev libprotozero-dev libstb-dev libsamplerate0-dev) ;;
    tests) optional+=(catch2) ;;
    clang) packages+=(clang) ;;
    cross) packages+=(g++-aarch64-linux-gnu g++-arm-linux-gnueabihf qemu-user) ;;
  esac
done

# A machine that has never asked its mirror knows of no package at all.
case "$can_install:$(candidate libflatbuffers-dev)" in
  "yes:" | "yes:(none)") echo "Fetching the lists of packages"; apt_get update ;;
esac
# Debian 13 and newer package the XNNPACK, miniaudio and Catch2 that heed wants; elsewhere they are built from source.
for package in "${optional[@]}"; do
  case "$package:$(candidate "$package")" in
    libxnnpack-dev:0.0~git2024* | libxnnpack-dev:0.0~git202[5-9]*) packages+=("$package" libpthreadpool-dev libcpuinfo-dev) ;;
    libminiaudio-dev:0.11.2[2-9]* | catch2:3.*) packages+=("$package") ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$can_install" = no ]; then
  [ "$install" = no ] || echo "Packages are missing, and only root may install them (there is no sudo here)." >&2
  echo "Missing packages; install them as root with: apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "Installing what is missing (--no-install prevents this): ${missing[*]}"
apt_get install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
  apt_get update  # the lists may be old
  apt_get install -y --no-install-recommends "${missing[@]}" >/dev/null
}
