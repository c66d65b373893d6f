# XNNPACK 4ea82e5 (2024-11-08), the commit that Debian 13 packages: its library where a program that
# uses what we use links with it (older ones lack the functions, newer builds may want a newer
# libc), else built from source. Targets: heed_xnnpack (engine/xnnpack, tests), heed_pthreadpool.

set(HEED_XNNPACK_PROBE "
  #include <xnnpack.h>
  int main() { xnn_operator_t c = nullptr, f = nullptr; float s[1] = {1}; int8_t w[1] = {1};
    return xnn_initialize(nullptr) | xnn_create_convert_nc_f32_qd8(0, &c)
      | xnn_create_fully_connected_nc_qd8_f32_qc8w(1, 1, 1, 1, s, w, nullptr, -1.f, 1.f, 0, nullptr, nullptr, &f)
      | xnn_create_unary_elementwise_nc(xnn_unary_gelu, xnn_datatype_fp32, xnn_datatype_fp32, nullptr, nullptr, nullptr, 0, &c); }")

add_library(heed_xnnpack INTERFACE)
add_library(heed_pthreadpool INTERFACE)

set(HEED_XNNPACK_USABLE FALSE)
if(HEED_SYSTEM_LIBRARIES)
  find_path(XNNPACK_INCLUDE_DIR xnnpack.h)
  find_path(PTHREADPOOL_INCLUDE_DIR pthreadpool.h)
  find_library(XNNPACK_LIBRARY XNNPACK)
  find_library(XNNPACK_UKERNELS NAMES microkernels-prod xnnpack-microkernels-prod)
  find_library(PTHREADPOOL_LIBRARY pthreadpool)
  find_library(CPUINFO_LIBRARY cpuinfo)
  if(XNNPACK_INCLUDE_DIR AND XNNPACK_LIBRARY AND PTHREADPOOL_LIBRARY AND CPUINFO_LIBRARY)
    set(libraries ${XNNPACK_LIBRARY})
    if(XNNPACK_LIBRARY MATCHES "\\.a$")
      list(APPEND libraries ${XNNPACK_UKERNELS})
    endif()
    list(APPEND libraries ${PTHREADPOOL_LIBRARY} ${CPUINFO_LIBRARY} Threads::Threads m)
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_INCLUDES ${XNNPACK_INCLUDE_DIR} ${PTHREADPOOL_INCLUDE_DIR})
    set(CMAKE_REQUIRED_LIBRARIES ${libraries})
    if(HEED_STATIC)
      set(CMAKE_REQUIRED_LINK_OPTIONS -static)
    endif()
    unset(HEED_XNNPACK_LINKS CACHE)
    check_cxx_source_compiles("${HEED_XNNPACK_PROBE}" HEED_XNNPACK_LINKS)
    set(HEED_XNNPACK_USABLE ${HEED_XNNPACK_LINKS})
    unset(CMAKE_REQUIRED_INCLUDES)
    unset(CMAKE_REQUIRED_LIBRARIES)
    unset(CMAKE_REQUIRED_LINK_OPTIONS)
  endif()
endif()

function(heed_get_pthreadpool)
  heed_get(pthreadpool PTHREADPOOL_SOURCE_DIR
    POOL p/pthreadpool/pthreadpool_0.0~git20240616.560c60d.orig.tar.xz 4cc3cbd933b28131d2a34edc54f76af9fb41bc490af5eae1a5bd3cd07ea90708
    URL https://github.com/Maratyszcza/pthreadpool/archive/560c60d342a76076f0557a3946924c6478470044.zip dfaeacc0774abbd4a7dfc62e2bda232070f601b19ae1873f205ecb68e64f6121)
  heed_get(fxdiv FXDIV_SOURCE_DIR
    POOL f/fxdiv/fxdiv_0.0~git20200417.b408327.orig.tar.xz 7953482badaf4cb34026c3487c257b8e4ab2df061c019bd6fabbbc12ad52c44b
    URL https://github.com/Maratyszcza/FXdiv/archive/b408327ac2a15ec3e43352421954f5b1967701d1.zip ab7dfb08829bee33dca38405d647868fb214ac685e379ec7ef2bebcd234cd44d)
  foreach(off PTHREADPOOL_BUILD_TESTS PTHREADPOOL_BUILD_BENCHMARKS FXDIV_BUILD_TESTS FXDIV_BUILD_BENCHMARKS)
    set(${off} OFF CACHE BOOL "" FORCE)
  endforeach()
  set(PTHREADPOOL_LIBRARY_TYPE static CACHE STRING "" FORCE)
  set(PTHREADPOOL_SOURCE_DIR ${PTHREADPOOL_SOURCE_DIR} CACHE PATH "" FORCE)
  set(FXDIV_SOURCE_DIR ${FXDIV_SOURCE_DIR} CACHE PATH "" FORCE)
endfunction()

function(heed_build_xnnpack)
  heed_get_pthreadpool()
  heed_get(cpuinfo CPUINFO_SOURCE_DIR
    POOL c/cpuinfo/cpuinfo_0.0~git20250905.877328f.orig.tar.xz 557ca404a3836b9f335a3a06b65ff9fe9dbaaefab7fb5c0185f53d9f33615a10
    URL https://github.com/pytorch/cpuinfo/archive/877328f188a3c7d1fa855871a278eb48d530c4c0.zip d0183f06f00d427c4a0a4c9e438a2d54d2a2a0b6c204eb4c9d1922c5c64fcdd1)
  heed_get(fp16 FP16_SOURCE_DIR
    POOL f/fp16/fp16_0.0~git20200514.4dfe081.orig.tar.xz 7d7782b37b74136e0e12593a2a93ccbe7db831f4374cc408e44623d9b708b54e
    URL https://github.com/Maratyszcza/FP16/archive/4dfe081cf6bcd15db339cf2680b9281b8451eeb3.zip d973501a40c55126b31accc2d9f08d931ec3cc190c0430309a5e341d3c0ce32a)
  heed_get(xnnpack XNNPACK_SOURCE
    POOL x/xnnpack/xnnpack_0.0~git20241108.4ea82e5.orig.tar.xz 90bde2caef0f880f627bab0dc805a86c4b8070cd98e3243db3046ab3f3be1a99
    URL https://github.com/google/XNNPACK/archive/4ea82e595b36106653175dcb04b2aa532660d0d8.zip c3dacec37be37dd817c12d0965e8da4d93b053df2abb408d5229d36a3d37aeef)

  # GCC 13 and newer refuse to cast bfloat16 to _Float16 on aarch64.
  set(patched ${XNNPACK_SOURCE}/src/reference/unary-elementwise.cc)
  file(READ ${patched} text)
  if(NOT text MATCHES "static_cast<TOut>\\(static_cast<float>\\(x\\)\\)")
    string(REPLACE "return static_cast<TOut>(x);" "return static_cast<TOut>(static_cast<float>(x));" mended "${text}")
    if(mended STREQUAL text)
      message(FATAL_ERROR "XNNPACK's ${patched} does not hold the line to mend; is it the pinned commit?")
    endif()
    file(WRITE ${patched} "${mended}")
  endif()

  find_program(HEED_PYTHON3 python3 NO_CMAKE_FIND_ROOT_PATH)
  if(NOT HEED_PYTHON3)
    message(FATAL_ERROR "Building XNNPACK needs python3: install the package python3-minimal")
  endif()
  # Their flags and options stay inside this function.
  set(CMAKE_POLICY_VERSION_MINIMUM 3.5)
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
  set(XNNPACK_LIBRARY_TYPE static CACHE STRING "" FORCE)
  foreach(off XNNPACK_BUILD_TESTS XNNPACK_BUILD_BENCHMARKS XNNPACK_BUILD_ALL_MICROKERNELS XNNPACK_ENABLE_KLEIDIAI
          CPUINFO_BUILD_TOOLS CPUINFO_BUILD_UNIT_TESTS CPUINFO_BUILD_MOCK_TESTS CPUINFO_BUILD_BENCHMARKS
          FP16_BUILD_TESTS FP16_BUILD_BENCHMARKS)
    set(${off} OFF CACHE BOOL "" FORCE)
  endforeach()
  set(CPUINFO_LIBRARY_TYPE static CACHE STRING "" FORCE)
  # GCC 14 takes their pointers to other types of the same width, in ARM kernels, for errors.
  set(CMAKE_C_FLAGS "${CMAKE_C_FLAGS} -w -Wno-error=incompatible-pointer-types -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables")
  set(CMAKE_CXX_FLAGS "${CMAKE_CXX_FLAGS} -w -ffunction-sections -fdata-sections")
  set(CPUINFO_SOURCE_DIR ${CPUINFO_SOURCE_DIR} CACHE PATH "" FORCE)
  set(FP16_SOURCE_DIR ${FP16_SOURCE_DIR} CACHE PATH "" FORCE)
  set(LIBM m CACHE STRING "" FORCE)  # by name: the path of libm.so does not link statically
  set(CMAKE_MESSAGE_LOG_LEVEL NOTICE)
  add_subdirectory(${XNNPACK_SOURCE} ${CMAKE_BINARY_DIR}/xnnpack EXCLUDE_FROM_ALL)
endfunction()

# ThreadSanitizer has to see how the pool's threads wait for each other: the pool alone is built anew.
function(heed_build_pthreadpool)
  heed_get_pthreadpool()
  set(CMAKE_POLICY_VERSION_MINIMUM 3.5)
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
  set(CMAKE_C_FLAGS "${CMAKE_C_FLAGS} -w")
  set(CMAKE_MESSAGE_LOG_LEVEL NOTICE)
  add_subdirectory(${PTHREADPOOL_SOURCE_DIR} ${CMAKE_BINARY_DIR}/pthreadpool EXCLUDE_FROM_ALL)
endfunction()

if(HEED_XNNPACK_USABLE)
  message(STATUS "XNNPACK: ${XNNPACK_LIBRARY}")
  set(pool ${PTHREADPOOL_LIBRARY})
  if(HEED_SANITIZE MATCHES thread)
    heed_build_pthreadpool()
    set(pool pthreadpool)
  endif()
  target_include_directories(heed_xnnpack SYSTEM INTERFACE ${XNNPACK_INCLUDE_DIR} ${PTHREADPOOL_INCLUDE_DIR})
  list(TRANSFORM libraries REPLACE "^${PTHREADPOOL_LIBRARY}$" ${pool})
  target_link_libraries(heed_xnnpack INTERFACE ${libraries})
  target_include_directories(heed_pthreadpool SYSTEM INTERFACE ${PTHREADPOOL_INCLUDE_DIR})
  target_link_libraries(heed_pthreadpool INTERFACE ${pool} Threads::Threads)
else()
  message(STATUS "XNNPACK: built from its pinned sources")
  heed_build_xnnpack()
  target_link_libraries(heed_xnnpack INTERFACE XNNPACK microkernels-prod pthreadpool cpuinfo Threads::Threads m)
  target_link_libraries(heed_pthreadpool INTERFACE pthreadpool Threads::Threads)
endif()
if(HEED_SANITIZE MATCHES thread)
  target_compile_options(pthreadpool PRIVATE -fsanitize=thread -g)
endif()
