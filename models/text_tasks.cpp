// The C face of tasks on texts: heed_text_reader and heed_text_generator of heed_tasks.h.

#include <algorithm>

#include "models/task_info.h"
#include "models/task_object.h"
#include "models/text_generator.h"
#include "models/text_reader.h"

using heed::Status;
using heed::told;

struct heed_text_reader {
  heed::TextReader reader;
  const heed_model* model = nullptr;
  std::vector<float> probabilities;
  std::string error;
};

struct heed_text_generator {
  heed::TextGenerator generator;
  std::string error;
};

namespace {

constexpr const char* kNoTokenizer =
    "the model carries no tokenizer, so a text means nothing to it";

}  // namespace

heed_status heed_text_reader_create(const heed_model* model, const heed_task_options* options,
                                    heed_text_reader** reader, heed_diagnostic* diagnostic) {
  return heed::create_task_object(
      model, options, reader, diagnostic, heed::text_task, kNoTokenizer,
      [&](heed_text_reader* made, const heed_task_options& wanted) {
        made->model = model;
        if (!made->reader.create(model, wanted.engine, wanted.entry_point, &made->error))
          return false;
        made->probabilities.resize(made->reader.width());
        return true;
      });
}

void heed_text_reader_destroy(heed_text_reader* reader) { delete reader; }

heed_session* heed_text_reader_session(heed_text_reader* reader) {
  return reader == nullptr ? nullptr : reader->reader.task().session();
}

heed_status heed_text_reader_run(heed_text_reader* reader, const char* text, size_t bytes,
                                 heed_diagnostic* diagnostic) {
  (void)heed::fail(diagnostic, Status::ok, "");
  if (reader == nullptr || (text == nullptr && bytes > 0))
    return told(diagnostic, Status::invalid_argument, "there is no reader or no text");
  if (reader->reader.read({bytes == 0 ? "" : text, bytes}, &reader->error)) return HEED_OK;
  return told(diagnostic, Status::wrong_state, "the model did not run", reader->error);
}

const float* heed_text_reader_values(const heed_text_reader* reader, int32_t* count) {
  if (count != nullptr)
    *count = reader == nullptr ? 0 : static_cast<int32_t>(reader->reader.width());
  return reader == nullptr ? nullptr : reader->reader.values();
}

int32_t heed_text_reader_answers(heed_text_reader* reader, heed_answer* answers, int32_t capacity) {
  if (reader == nullptr || answers == nullptr || capacity <= 0) return 0;
  const auto classes = static_cast<int32_t>(reader->probabilities.size());
  reader->reader.probabilities(reader->probabilities.data());
  const int32_t count = std::min(capacity, classes);
  heed::best_answers(reader->model, reader->probabilities.data(), classes, answers, count);
  return count;
}

heed_status heed_text_generator_create(const heed_model* model, const heed_task_options* options,
                                       const heed_sampling* sampling,
                                       heed_text_generator** generator,
                                       heed_diagnostic* diagnostic) {
  heed::SamplerOptions chosen;
  if (sampling != nullptr) {
    chosen.temperature = sampling->temperature;
    chosen.top_k = sampling->top_k;
    chosen.top_p = sampling->top_p == 0 ? 1.0f : sampling->top_p;
    chosen.seed = sampling->seed;
  }
  return heed::create_task_object(
      model, options, generator, diagnostic, heed::text_task, kNoTokenizer,
      [&](heed_text_generator* made, const heed_task_options& wanted) {
        return made->generator.create(model, wanted.engine, chosen, &made->error);
      });
}

void heed_text_generator_destroy(heed_text_generator* generator) { delete generator; }

heed_session* heed_text_generator_session(heed_text_generator* generator) {
  return generator == nullptr ? nullptr : generator->generator.session();
}

heed_status heed_text_generator_start(heed_text_generator* generator, const char* prompt,
                                      size_t bytes, heed_diagnostic* diagnostic) {
  (void)heed::fail(diagnostic, Status::ok, "");
  if (generator == nullptr || (prompt == nullptr && bytes > 0))
    return told(diagnostic, Status::invalid_argument, "there is no generator or no prompt");
  if (generator->generator.start({bytes == 0 ? "" : prompt, bytes}, &generator->error))
    return HEED_OK;
  return told(diagnostic, Status::limit_exceeded,
              "the prompt is empty, or has more tokens than the model's context");
}

heed_status heed_text_generator_next(heed_text_generator* generator, const char** text,
                                     size_t* bytes, heed_diagnostic* diagnostic) {
  (void)heed::fail(diagnostic, Status::ok, "");
  if (generator == nullptr || text == nullptr || bytes == nullptr)
    return told(diagnostic, Status::invalid_argument, "a pointer is null");
  *text = nullptr;
  *bytes = 0;
  int32_t token = 0;
  std::string_view added;
  if (generator->generator.next(&token, &added, &generator->error)) {
    *text = added.data() == nullptr ? "" : added.data();
    *bytes = added.size();
    return HEED_OK;
  }
  if (generator->error.empty()) return HEED_OK;
  return told(diagnostic, Status::wrong_state, "the model did not run", generator->error);
}
