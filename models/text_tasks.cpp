// The C face of tasks on texts: heed_text_reader and heed_text_generator of heed_tasks.h.

#include <algorithm>
#include <memory>
#include <new>

#include "engine/status.h"
#include "models/task_block.h"
#include "models/task_info.h"
#include "models/text_generator.h"
#include "models/text_reader.h"

using heed::Status;

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

heed_status told(heed_diagnostic* diagnostic, Status status, const char* what,
                 const std::string& where = "") {
  status = heed::fail(diagnostic, status, what);
  if (!where.empty()) heed::set_where(diagnostic, where.c_str());
  return static_cast<heed_status>(status);
}

/// What is the same for both: a model that knows texts, options, memory. `make` gives a sentence
/// where the model is another one.
template <class T, class Make>
heed_status create_on_texts(const heed_model* model, const heed_task_options* options, T** out,
                            heed_diagnostic* diagnostic, Make make) {
  (void)heed::fail(diagnostic, Status::ok, "");
  if (out == nullptr) return told(diagnostic, Status::invalid_argument, "a pointer is null");
  *out = nullptr;
  heed::TaskCore core;
  core.model = model;
  if (options != nullptr) core.options = *options;
  if (model == nullptr) return told(diagnostic, Status::invalid_argument, "there is no model");
  const Status entry = heed::resolve_entry_point(&core, diagnostic);
  if (entry != Status::ok) return static_cast<heed_status>(entry);
  if (!heed::text_task(*model))
    return told(diagnostic, Status::not_found,
                "the model carries no tokenizer, so a text means nothing to it");
  try {
    auto made = std::make_unique<T>();
    if (!make(made.get(), core.options))
      return told(diagnostic, Status::bad_model, "the model is not one for this task", made->error);
    *out = made.release();
  } catch (const std::bad_alloc&) {
    return told(diagnostic, Status::out_of_memory, "no memory for a task");
  }
  return HEED_OK;
}

}  // namespace

heed_status heed_text_reader_create(const heed_model* model, const heed_task_options* options,
                                    heed_text_reader** reader, heed_diagnostic* diagnostic) {
  return create_on_texts(
      model, options, reader, diagnostic,
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
  return create_on_texts(model, options, generator, diagnostic,
                         [&](heed_text_generator* made, const heed_task_options& wanted) {
                           return made->generator.create(model, wanted.engine, chosen,
                                                         &made->error);
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
