# Catch2 3: the package where there is one, else its pinned sources.

if(HEED_SYSTEM_LIBRARIES)
  find_package(Catch2 3 QUIET)
endif()
if(NOT Catch2_FOUND)
  heed_get(catch2 CATCH2_SOURCE
    POOL c/catch2/catch2_3.7.1.orig.tar.gz c991b247a1a0d7bb9c39aa35faf0fe9e19764213f28ffba3109388e62ee0269c
    URL https://github.com/catchorg/Catch2/archive/refs/tags/v3.7.1.tar.gz c991b247a1a0d7bb9c39aa35faf0fe9e19764213f28ffba3109388e62ee0269c)
  function(heed_build_catch2)
    set(CATCH_INSTALL_DOCS OFF CACHE BOOL "" FORCE)
    set(CMAKE_CXX_FLAGS "${CMAKE_CXX_FLAGS} -w")
    set(CMAKE_UNITY_BUILD ON)  # a hundred small files: a quarter of the time
    set(CMAKE_UNITY_BUILD_BATCH_SIZE 30)
    add_subdirectory(${CATCH2_SOURCE} ${CMAKE_BINARY_DIR}/catch2 EXCLUDE_FROM_ALL)
  endfunction()
  heed_build_catch2()
  # Its headers are not held to our warnings.
  get_target_property(catch2_headers Catch2 INTERFACE_INCLUDE_DIRECTORIES)
  set_target_properties(Catch2 PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${catch2_headers}")
  list(APPEND CMAKE_MODULE_PATH ${CATCH2_SOURCE}/extras)
endif()
