#include "models/speech_to_text.h"

#include "models/ctc_recognizer.h"
#include "models/speech_recognizer.h"
#include "models/task_info.h"

namespace heed {

std::unique_ptr<SpeechToText> make_speech_to_text(const heed_model* model,
                                                  const heed_options& engine,
                                                  const SpeechOptions& options,
                                                  std::string* error) {
  SpeechTask whisper;
  std::unique_ptr<SpeechToText> made;
  if (speech_task(*model, &whisper))
    made = std::make_unique<SpeechRecognizer>();
  else
    made = std::make_unique<CtcRecognizer>();
  if (!made->create(model, engine, options, error)) made.reset();
  return made;
}

}  // namespace heed
