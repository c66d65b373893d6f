# Flags that hold for every target of ours: warnings, arithmetic, sections.

# heed_target(<name>): the flags of our own code. No exceptions to the arithmetic: contraction off,
# so that a fused multiply-add is one only where the source says so.
function(heed_target name)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
                         -Wno-psabi -ffp-contract=off -fno-math-errno -ffunction-sections -fdata-sections
                         -fvisibility=hidden $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>)
  # GCC 14 sees vectors freed off the heap where it has inlined their copies: wrongly.
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 14)
    target_compile_options(${name} PRIVATE -Wno-free-nonheap-object)
  endif()
  if(HEED_WERROR)
    target_compile_options(${name} PRIVATE -Werror)
  endif()
  if(HEED_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${HEED_SANITIZE} -fno-omit-frame-pointer -g)
    if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
      target_compile_options(${name} PRIVATE -fsanitize-ignorelist=${CMAKE_SOURCE_DIR}/platforms/sanitizer_ignorelist.txt)
    endif()
    target_link_options(${name} PUBLIC -fsanitize=${HEED_SANITIZE})
  endif()
  get_target_property(type ${name} TYPE)
  if(type STREQUAL EXECUTABLE)
    target_link_options(${name} PRIVATE -Wl,--gc-sections)
    if(HEED_STATIC)
      target_link_options(${name} PRIVATE -static)
    endif()
  endif()
endfunction()

# heed_runtime_target(<name>): what ships on devices throws nothing and is never unwound through.
function(heed_runtime_target name)
  target_compile_options(${name} PRIVATE -fno-exceptions -fno-asynchronous-unwind-tables -fno-unwind-tables
                         $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>)
endfunction()

# heed_precompile(<target> <header>...): headers that most of its C++ files read anyway, read once.
function(heed_precompile target)
  foreach(header ${ARGN})
    string(REPLACE ">" "$<ANGLE-R>" header "${header}")
    target_precompile_headers(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${header}>")
  endforeach()
endfunction()

# heed_schema(<target> <file.fbs>): generates <build>/generated/<dir>/<name>_generated.h. Nothing
# generated is checked in: the header must match the installed FlatBuffers exactly.
function(heed_schema target schema)
  cmake_path(GET schema STEM stem)
  cmake_path(GET schema PARENT_PATH dir)
  set(out ${CMAKE_BINARY_DIR}/generated/${dir}/${stem}_generated.h)
  add_custom_command(OUTPUT ${out}
    COMMAND ${HEED_FLATC} --cpp --cpp-std c++17 --scoped-enums --reflect-names --gen-object-api
            -o ${CMAKE_BINARY_DIR}/generated/${dir} ${CMAKE_SOURCE_DIR}/${schema}
    DEPENDS ${CMAKE_SOURCE_DIR}/${schema} VERBATIM)
  add_custom_target(${target}_schema DEPENDS ${out})
  add_dependencies(${target} ${target}_schema)
  target_sources(${target} PRIVATE ${out})
  target_link_libraries(${target} PUBLIC heed_flatbuffers)
endfunction()
