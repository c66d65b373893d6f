# compare_peers.py still parses, helps, and makes of measurements a table in which nobody is missing.
set(script ${CMAKE_CURRENT_LIST_DIR}/compare_peers.py)
execute_process(COMMAND ${PYTHON} -B ${script} --help RESULT_VARIABLE status OUTPUT_VARIABLE help)
if(NOT status EQUAL 0 OR NOT help MATCHES "--rounds")
  message(FATAL_ERROR "--help ended with ${status}")
endif()
file(WRITE ${JSON} [[{"date": "", "machine": "", "cores": 1, "kernel": "", "fifo": 0, "rounds": 2,
 "seconds": 1, "threads": [1], "rows": [
 {"model": "m", "engine": "heed", "variant": "", "multiply_adds": 100000000, "cosine": 0.999, "runs": {"1": [
  {"latency_us_median": 1000, "latency_us_min": 900, "load_ms": 1, "peak_memory_bytes": 5e6, "beyond_bytes": 1e6,
   "file_bytes": 4e6, "version": "v", "kernels": ["k"], "int8_peak_gmacs": 200, "int8_peak_kernel": "k", "ops": []}]}},
 {"model": "m", "engine": "quick", "variant": "int8", "runs": {"1": [
  {"latency_us_median": 2500, "latency_us_min": 2400, "load_ms": 1, "peak_memory_bytes": 5e6, "beyond_bytes": 1e6,
   "file_bytes": 4e6, "version": "3", "cosine": 0.98}]}},
 {"model": "m", "engine": "broken", "variant": "", "failed": "no such operator"}]}]])
execute_process(COMMAND ${PYTHON} -B ${script} --work . --from-json ${JSON} RESULT_VARIABLE status OUTPUT_VARIABLE table)
foreach(wanted "heed . 1.00 .0.900. . 1.00 . 50%" "quick int8 . 2.50 .2.40. . 2.50" "broken . failed" "- broken: no such operator")
  if(NOT table MATCHES "${wanted}")
    message(FATAL_ERROR "'${wanted}' is not in the table:\n${table}")
  endif()
endforeach()
execute_process(COMMAND ${PYTHON} -B -c "import ast,glob,sys
for f in glob.glob(sys.argv[1] + '/**/*.py', recursive=True): ast.parse(open(f).read(), f)" ${CMAKE_CURRENT_LIST_DIR}
  RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "a script does not parse")
endif()
