# 64-bit Raspberry Pi OS (and any aarch64 Linux), cross-built on a PC:
#   cmake -S . -B build-aarch64 -DCMAKE_TOOLCHAIN_FILE=platforms/raspberry_pi/aarch64.cmake
# HEED_QEMU_CPU chooses the CPU that the tests are run on: cortex-a53 (Pi 3), cortex-a72 (Pi 4),
# cortex-a76 (Pi 5), max (with i8mm).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(HEED_QEMU_CPU max CACHE STRING "CPU model that qemu runs the tests on")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu ${HEED_QEMU_CPU} -L /usr/aarch64-linux-gnu)
# Phones and Pis have pages of 4 or 16 kB; room for those of 64 kB would be 60 kB of zeros.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-z,max-page-size=16384")
