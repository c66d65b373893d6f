# What a device loads beside XNNPACK: engine and kernels, linked without what nobody calls, stripped.
# -DCXX=compiler -DSTRIP=strip -DENGINE=libheed.a -DOPS=libheed_ops.a -DMOST=bytes
set(linked ${CMAKE_CURRENT_BINARY_DIR}/runtime_size.so)
execute_process(COMMAND ${CXX} -shared -o ${linked} -Wl,--whole-archive ${ENGINE} -Wl,--no-whole-archive ${OPS}
                        -Wl,--gc-sections -Wl,--unresolved-symbols=ignore-all
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${STRIP} ${linked} COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${linked} bytes)
message(STATUS "the runtime takes ${bytes} bytes of at most ${MOST}")
file(REMOVE ${linked})
if(bytes GREATER MOST)
  message(FATAL_ERROR "the runtime has grown beyond ${MOST} bytes")
endif()
