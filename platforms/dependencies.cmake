# Everything that is not ours: found on the system where it links, else built from pinned sources.
find_package(Threads REQUIRED)
find_program(HEED_FLATC flatc REQUIRED)

# heed_headers(<target> <probe header>...): header-only libraries, by link into the build tree so
# that a cross build does not see the host's other headers.
function(heed_headers target)
  add_library(${target} INTERFACE)
  foreach(probe ${ARGN})
    cmake_path(GET probe PARENT_PATH top)
    string(REGEX REPLACE "/.*" "" top "${top}")
    find_path(HEED_DIR_${top} ${probe} REQUIRED NO_CMAKE_FIND_ROOT_PATH)
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/headers/${target})
    file(CREATE_LINK ${HEED_DIR_${top}}/${top} ${CMAKE_BINARY_DIR}/headers/${target}/${top} SYMBOLIC)
  endforeach()
  target_include_directories(${target} SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/headers/${target})
endfunction()
heed_headers(heed_flatbuffers flatbuffers/flatbuffers.h)
heed_headers(heed_host_headers nlohmann/json.hpp CLI/CLI.hpp protozero/pbf_reader.hpp)
heed_headers(heed_media stb/stb_image.h)

find_library(XNNPACK_LIBRARY XNNPACK REQUIRED)
find_library(XNNPACK_UKERNELS NAMES microkernels-prod)
find_library(PTHREADPOOL_LIBRARY pthreadpool REQUIRED)
find_library(CPUINFO_LIBRARY cpuinfo REQUIRED)
find_path(XNNPACK_INCLUDE_DIR xnnpack.h REQUIRED)
add_library(heed_xnnpack INTERFACE)
target_include_directories(heed_xnnpack SYSTEM INTERFACE ${XNNPACK_INCLUDE_DIR})
target_link_libraries(heed_xnnpack INTERFACE ${XNNPACK_LIBRARY} ${XNNPACK_UKERNELS} ${PTHREADPOOL_LIBRARY} ${CPUINFO_LIBRARY} Threads::Threads m)
