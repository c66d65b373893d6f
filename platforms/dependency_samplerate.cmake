# libsamplerate 0.2.2: band-limited resampling of sounds. Target: heed_samplerate.

add_library(heed_samplerate INTERFACE)
set(SAMPLERATE_USABLE FALSE)
if(HEED_SYSTEM_LIBRARIES AND NOT HEED_STATIC)
  find_path(SAMPLERATE_INCLUDE_DIR samplerate.h)
  find_library(SAMPLERATE_LIBRARY samplerate)
  if(SAMPLERATE_INCLUDE_DIR AND SAMPLERATE_LIBRARY)
    set(SAMPLERATE_USABLE TRUE)
  endif()
endif()
if(SAMPLERATE_USABLE)
  target_include_directories(heed_samplerate SYSTEM INTERFACE ${SAMPLERATE_INCLUDE_DIR})
  target_link_libraries(heed_samplerate INTERFACE ${SAMPLERATE_LIBRARY})
else()
  heed_get(samplerate SAMPLERATE_SOURCE
    POOL libs/libsamplerate/libsamplerate_0.2.2.orig.tar.gz 16e881487f184250deb4fcb60432d7556ab12cb58caea71ef23960aec6c0405a
    URL https://github.com/libsndfile/libsamplerate/archive/refs/tags/0.2.2.tar.gz 16e881487f184250deb4fcb60432d7556ab12cb58caea71ef23960aec6c0405a)
  file(WRITE ${CMAKE_BINARY_DIR}/generated/samplerate/config.h
       "#define HAVE_STDBOOL_H 1\n#define ENABLE_SINC_MEDIUM_CONVERTER 1\n"  # the best one's table is 1.4 MB
       "#define PACKAGE \"libsamplerate\"\n#define VERSION \"0.2.2\"\n")
  add_library(samplerate_static STATIC ${SAMPLERATE_SOURCE}/src/samplerate.c ${SAMPLERATE_SOURCE}/src/src_sinc.c
              ${SAMPLERATE_SOURCE}/src/src_linear.c ${SAMPLERATE_SOURCE}/src/src_zoh.c)
  target_compile_definitions(samplerate_static PRIVATE HAVE_CONFIG_H)
  target_include_directories(samplerate_static PRIVATE ${CMAKE_BINARY_DIR}/generated/samplerate)
  target_include_directories(samplerate_static SYSTEM PUBLIC ${SAMPLERATE_SOURCE}/include)
  # -Os is as fast as -O3: its sums have an order of their own.
  target_compile_options(samplerate_static PRIVATE -w -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables
                         $<$<CONFIG:Release>:-Os>)
  target_link_libraries(heed_samplerate INTERFACE samplerate_static)
endif()
target_link_libraries(heed_media INTERFACE heed_samplerate)
