// The C face of tasks on sounds: heed_sound, heed_sound_listener and heed_speech_recognizer of
// heed_tasks.h.

#include <cstdlib>
#include <cstring>

#include "models/audio/resample.h"
#include "models/sound_stream.h"
#include "models/speech_to_text.h"
#include "models/task_info.h"
#include "models/task_object.h"

struct heed_sound_listener {
  heed::SoundStream stream;
  std::string error;
};

struct heed_speech_recognizer {
  std::unique_ptr<heed::SpeechToText> recognizer;
  std::vector<heed::SpokenSegment> said;
  std::vector<heed_spoken_segment> segments;
  std::vector<heed_spoken_word> words;
  std::string error;
};

namespace {

static_assert(HEED_HEARD_KEYWORD == static_cast<int32_t>(heed::SoundEventKind::keyword) &&
              HEED_HEARD_SPEECH_BEGIN == static_cast<int32_t>(heed::SoundEventKind::speech_begin) &&
              HEED_HEARD_SPEECH_END == static_cast<int32_t>(heed::SoundEventKind::speech_end));

bool hears_streams(const heed_model& model) {
  const std::string kind = heed::task_kind(model);
  return kind == "keyword_spotting" || kind == "voice_activity";
}

bool writes_speech(const heed_model& model) {
  return heed::task_kind(model) == "speech_recognition";
}

void tell_event(const heed::SoundStream& stream, const heed::SoundEvent& heard,
                heed_sound_event* event) {
  *event = {static_cast<int32_t>(heard.kind),
            heard.label,
            stream.label(heard.label),
            heard.score,
            heard.begin,
            heard.end};
}

/// The segments as C has them: they point into what was said.
void point_at(heed_speech_recognizer* task) {
  size_t words = 0;
  for (const heed::SpokenSegment& segment : task->said) words += segment.words.size();
  task->segments.clear();
  task->words.clear();
  task->words.reserve(words);  // the segments point into it
  for (const heed::SpokenSegment& segment : task->said) {
    const heed_spoken_word* first = task->words.data() + task->words.size();
    for (const heed::SpokenWord& word : segment.words)
      task->words.push_back({word.text.c_str(), word.begin_s, word.end_s});
    task->segments.push_back({segment.text.c_str(), segment.begin_s, segment.end_s,
                              segment.tokens.data(), static_cast<int32_t>(segment.tokens.size()),
                              first, static_cast<int32_t>(segment.words.size()),
                              segment.mean_log_probability, segment.no_speech});
  }
}

}  // namespace

heed_status heed_sound_read_file(const char* path, int32_t rate_hz, heed_sound* sound,
                                 heed_diagnostic* diagnostic) {
  using heed::Status;
  (void)heed::fail(diagnostic, Status::ok, "");
  if (path == nullptr || sound == nullptr || rate_hz < 0)
    return heed::told(diagnostic, Status::invalid_argument, "there is no path, sound or rate");
  *sound = {};
  try {
    heed::Sound read;
    std::string error;
    if (!heed::read_sound(path, &read, &error))
      return heed::told(diagnostic, Status::bad_input, "the sound cannot be read", error);
    if (rate_hz > 0 && !heed::resample(&read, static_cast<uint32_t>(rate_hz), &error))
      return heed::told(diagnostic, Status::bad_input, "the sound's rate cannot be changed", error);
    const size_t bytes = read.samples.size() * sizeof(float);
    auto* samples = static_cast<float*>(std::malloc(bytes == 0 ? 1 : bytes));
    if (samples == nullptr)
      return heed::told(diagnostic, Status::out_of_memory, "no memory for a sound");
    std::memcpy(samples, read.samples.data(), bytes);
    *sound = {samples, read.samples.size(), static_cast<int32_t>(read.sample_rate_hz)};
  } catch (const std::bad_alloc&) {
    return heed::told(diagnostic, Status::out_of_memory, "no memory for a sound");
  }
  return HEED_OK;
}

void heed_sound_free(heed_sound* sound) {
  if (sound == nullptr) return;
  std::free(const_cast<float*>(sound->samples));
  *sound = {};
}

heed_status heed_sound_listener_create(const heed_model* model, const heed_task_options* options,
                                       heed_sound_listener** listener,
                                       heed_diagnostic* diagnostic) {
  return heed::create_task_object(model, options, listener, diagnostic, hears_streams,
                                  "the model is neither a keyword spotter nor a detector of voices",
                                  [&](heed_sound_listener* made, const heed_task_options& wanted) {
                                    return made->stream.create(model, wanted.engine, &made->error);
                                  });
}

void heed_sound_listener_destroy(heed_sound_listener* listener) { delete listener; }

heed_session* heed_sound_listener_session(heed_sound_listener* listener) {
  return listener == nullptr ? nullptr : listener->stream.session();
}

int32_t heed_sound_listener_rate_hz(const heed_sound_listener* listener) {
  return listener == nullptr ? 0 : static_cast<int32_t>(listener->stream.sample_rate_hz());
}

heed_status heed_sound_listener_feed(heed_sound_listener* listener, const float** samples,
                                     size_t* count, heed_sound_event* event,
                                     heed_diagnostic* diagnostic) {
  using heed::Status;
  (void)heed::fail(diagnostic, Status::ok, "");
  if (listener == nullptr || samples == nullptr || count == nullptr || event == nullptr ||
      (*samples == nullptr && *count > 0))
    return heed::told(diagnostic, Status::invalid_argument, "there is no listener or no sound");
  heed::SoundEvent heard;
  heed_diagnostic why;
  const bool heeded = listener->stream.listen(samples, count, &heard, &why);
  if (diagnostic != nullptr) *diagnostic = why;
  if (!heeded) return why.status;
  tell_event(listener->stream, heard, event);
  return HEED_OK;
}

void heed_sound_listener_finish(heed_sound_listener* listener, heed_sound_event* event) {
  if (listener == nullptr || event == nullptr) return;
  heed::SoundEvent heard;
  listener->stream.finish(&heard);
  tell_event(listener->stream, heard, event);
}

void heed_sound_listener_reset(heed_sound_listener* listener) {
  if (listener != nullptr) listener->stream.reset();
}

heed_status heed_speech_recognizer_create(const heed_model* model, const heed_task_options* options,
                                          const heed_speech_options* speech,
                                          heed_speech_recognizer** recognizer,
                                          heed_diagnostic* diagnostic) {
  heed::SpeechOptions chosen;
  if (speech != nullptr) {
    if (speech->language != nullptr) chosen.language = speech->language;
    chosen.translate = speech->translate != 0;
    chosen.words = speech->words != 0;
    chosen.timestamps = speech->no_timestamps == 0;
    chosen.fallback = speech->no_fallback == 0;
    chosen.previous_text = speech->no_previous_text == 0;
    if (speech->prompt != nullptr) chosen.prompt = speech->prompt;
    // No model follows so many: creation says what is wrong with a negative number.
    chosen.beams = speech->beams == 0 ? 1 : static_cast<size_t>(speech->beams);
  }
  return heed::create_task_object(
      model, options, recognizer, diagnostic, writes_speech,
      "the model says nothing about how speech is written down",
      [&](heed_speech_recognizer* made, const heed_task_options& wanted) {
        made->recognizer = heed::make_speech_to_text(model, wanted.engine, chosen, &made->error);
        return made->recognizer != nullptr;
      });
}

void heed_speech_recognizer_destroy(heed_speech_recognizer* recognizer) { delete recognizer; }

heed_session* heed_speech_recognizer_session(heed_speech_recognizer* recognizer) {
  return recognizer == nullptr ? nullptr : recognizer->recognizer->session();
}

int32_t heed_speech_recognizer_rate_hz(const heed_speech_recognizer* recognizer) {
  return recognizer == nullptr ? 0 : static_cast<int32_t>(recognizer->recognizer->sample_rate_hz());
}

heed_status heed_speech_recognizer_run(heed_speech_recognizer* recognizer, const float* samples,
                                       size_t count, heed_diagnostic* diagnostic) {
  using heed::Status;
  (void)heed::fail(diagnostic, Status::ok, "");
  if (recognizer == nullptr || (samples == nullptr && count > 0))
    return heed::told(diagnostic, Status::invalid_argument, "there is no recogniser or no sound");
  recognizer->segments.clear();
  try {
    if (!recognizer->recognizer->recognize(samples, count, &recognizer->said, &recognizer->error))
      return heed::told(diagnostic, Status::wrong_state, "the model did not run",
                        recognizer->error);
    point_at(recognizer);
  } catch (const std::bad_alloc&) {
    recognizer->segments.clear();
    return heed::told(diagnostic, Status::out_of_memory, "no memory for what was said");
  }
  return HEED_OK;
}

const heed_spoken_segment* heed_speech_recognizer_segments(const heed_speech_recognizer* recognizer,
                                                           int32_t* count) {
  if (count != nullptr)
    *count = recognizer == nullptr ? 0 : static_cast<int32_t>(recognizer->segments.size());
  return recognizer == nullptr ? nullptr : recognizer->segments.data();
}

const char* heed_speech_recognizer_language(const heed_speech_recognizer* recognizer) {
  return recognizer == nullptr ? "" : recognizer->recognizer->language().c_str();
}
