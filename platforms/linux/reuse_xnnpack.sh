# Sourced: reuse=(...), CMake arguments for another build with the XNNPACK of build/. It is not ours to
# test: one build of it is enough. Empty where build/ did not have to make one.
reuse=(-DHEED_DOWNLOADS="$PWD/build/downloads")
if [ -f build/xnnpack/libXNNPACK.a ]; then
  reuse+=(-DXNNPACK_LIBRARY="$PWD/build/xnnpack/libXNNPACK.a" -DXNNPACK_UKERNELS="$PWD/build/xnnpack/libmicrokernels-prod.a"
          -DPTHREADPOOL_LIBRARY="$PWD/build/pthreadpool/libpthreadpool.a" -DCPUINFO_LIBRARY="$PWD/build/cpuinfo/libcpuinfo.a"
          -DXNNPACK_INCLUDE_DIR="$PWD/build/sources/xnnpack/include" -DPTHREADPOOL_INCLUDE_DIR="$PWD/build/sources/pthreadpool/include")
fi
