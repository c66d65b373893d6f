# score_words.py on eight words of which one is substituted, one left out and one added.
file(WRITE ${FOLDER}/said.txt "a-1 DON'T MIX THE BLUE ONES\n")
file(WRITE ${FOLDER}/more.jsonl "{\"input\": \"x/b.flac\", \"text\": \"Caf\\u00e9, (laughs) um one\"}\n")
file(WRITE ${FOLDER}/heard.jsonl
     "{\"input\": \"y/a-1.flac\", \"text\": \"Do not fix blue ones.\", \"sound_s\": 1}\n"
     "{\"input\": \"b.wav\", \"text\": \" cafe one more\"}\n{\"input\": \"c.wav\", \"text\": \"?\"}\n")
execute_process(COMMAND ${PYTHON} ${SCRIPT} ${FOLDER}/said.txt,${FOLDER}/more.jsonl ${FOLDER}/heard.jsonl --json
                OUTPUT_VARIABLE out COMMAND_ERROR_IS_FATAL ANY)
foreach(expected "\"words\": 8" "\"substituted\": 1" "\"left_out\": 1" "\"added\": 1" "\"word_error_rate\": 0.375"
        "\"without_reference\": 1" "\"sounds\": 2")
  if(NOT out MATCHES "${expected}")
    message(FATAL_ERROR "expected ${expected} in ${out}")
  endif()
endforeach()
file(WRITE ${FOLDER}/broken.jsonl "{\"input\": 3\n")
execute_process(COMMAND ${PYTHON} ${SCRIPT} ${FOLDER}/said.txt ${FOLDER}/broken.jsonl
                RESULT_VARIABLE code ERROR_VARIABLE error)
if(code EQUAL 0 OR NOT error MATCHES "broken.jsonl:1: not a line")
  message(FATAL_ERROR "a broken line was not refused: ${error}")
endif()
