#!/usr/bin/env bash
# install_packages.sh [--no-install] [package set...]: makes sure that what the build needs is there.
# Sets: build (default), tests, cross. Only what is missing is installed; with --no-install it is
# named and the script fails.
set -euo pipefail

install=yes
sets=(build)
for argument in "$@"; do
  case "$argument" in
    --no-install) install=no ;;
    build) ;;
    tests | cross) sets+=("$argument") ;;
    *) echo "install_packages.sh: unknown argument '$argument'" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "This machine has no dpkg: install the libraries named in README.md by hand, then build with CMake." >&2
  exit 0
fi

packages=()
for set in "${sets[@]}"; do
  case "$set" in
    build) packages+=(g++ cmake ninja-build python3-minimal ca-certificates flatbuffers-compiler libflatbuffers-dev
                      nlohmann-json3-dev libcli11-dev libprotozero-dev libstb-dev libsamplerate0-dev) ;;
    tests) packages+=(clang) ;;
    cross) packages+=(g++-aarch64-linux-gnu g++-arm-linux-gnueabihf qemu-user) ;;
  esac
done
# Debian 13 and newer package the XNNPACK and Catch2 that heed wants; elsewhere they are built from source.
for optional in libxnnpack-dev libpthreadpool-dev libcpuinfo-dev catch2; do
  candidate=$(apt-cache policy "$optional" 2>/dev/null | sed -n 's/^ *Candidate: //p')
  case "$optional:$candidate" in
    libxnnpack-dev:0.0~git2024* | libxnnpack-dev:0.0~git202[5-9]*) packages+=("$optional" libpthreadpool-dev libcpuinfo-dev) ;;
    catch2:3.*) packages+=("$optional") ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "Missing packages: ${missing[*]}"
if [ "$install" = no ]; then
  echo "Install them with: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "Not root and no sudo: install them with: apt-get install ${missing[*]}" >&2; exit 1; }
  sudo=sudo
fi
echo "Installing them (--no-install prevents this)"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
