# The only place where an instruction-set flag of a compiler is written.
#
# A source file whose name ends in _<feature>.cpp is compiled with that feature's flags, and only on
# the architecture that has it; HEED_HAVE_<FEATURE> tells the kernel lists which variants exist.

option(HEED_PORTABLE "Plain C++ kernels only: quick to build where speed is not the point" OFF)
if(HEED_PORTABLE)
  set(HEED_ARCH portable)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(HEED_ARCH x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(HEED_ARCH aarch64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^arm")
  set(HEED_ARCH armv7)
else()
  set(HEED_ARCH portable)
endif()

set(HEED_ISA_ALL avx2 avxvnni avx512 avx512vnni neon dotprod i8mm)
set(HEED_ISA_x86_64 avx2 avxvnni avx512 avx512vnni)
set(HEED_ISA_aarch64 neon dotprod i8mm)
set(HEED_ISA_armv7 neon)
set(HEED_ISA_portable)

set(HEED_FLAGS_x86_64_avx2 -mavx2 -mfma -mf16c -mbmi2)
set(HEED_FLAGS_x86_64_avxvnni ${HEED_FLAGS_x86_64_avx2} -mavxvnni)
set(HEED_FLAGS_x86_64_avx512 ${HEED_FLAGS_x86_64_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl
    -mprefer-vector-width=512
    # GCC 12 takes the undefined operands inside its own AVX-512 headers for a mistake.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
set(HEED_FLAGS_x86_64_avx512vnni ${HEED_FLAGS_x86_64_avx512} -mavx512vnni
    # Its loops are written in the order in which they shall run, with pointers counted: GCC 12's own
    # order and additional pointers cost attention 1 % (Zen 4) and code.
    $<$<CXX_COMPILER_ID:GNU>:-fno-ivopts> $<$<CXX_COMPILER_ID:GNU>:-fno-schedule-insns2>)
set(HEED_FLAGS_aarch64_neon)
set(HEED_FLAGS_aarch64_dotprod -march=armv8.2-a+dotprod)
set(HEED_FLAGS_aarch64_i8mm -march=armv8.2-a+dotprod+i8mm)
set(HEED_FLAGS_armv7_neon -mfpu=neon-vfpv4)

# heed_isa_sources(<out variable> <file>...): drops the files of other architectures, gives the
# rest their flags. What is worth a vector is one already: what the compiler would add to it costs
# size and gains nothing.
function(heed_isa_sources out)
  set(kept)
  foreach(file ${ARGN})
    set(isa)
    if(file MATCHES "_([a-z0-9]+)\\.cpp$" AND CMAKE_MATCH_1 IN_LIST HEED_ISA_ALL)
      set(isa ${CMAKE_MATCH_1})
      if(NOT isa IN_LIST HEED_ISA_${HEED_ARCH})
        continue()
      endif()
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS
                                  "${HEED_FLAGS_${HEED_ARCH}_${isa}};-fno-tree-vectorize")
    endif()
    list(APPEND kept ${file})
  endforeach()
  set(${out} ${kept} PARENT_SCOPE)
endfunction()

function(heed_isa_definitions target)
  foreach(isa ${HEED_ISA_${HEED_ARCH}})
    string(TOUPPER ${isa} upper)
    target_compile_definitions(${target} PUBLIC HEED_HAVE_${upper}=1)
  endforeach()
endfunction()
