// heed run on a model that writes speech down: text with times, words, subtitles.

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "models/audio/resample.h"
#include "models/task_info.h"
#include "platforms/cli/run_inputs.h"

namespace heed::cli {
namespace {

using Json = nlohmann::ordered_json;

Json segment_json(const SpokenSegment& segment, bool words) {
  Json object = {{"begin_s", segment.begin_s},
                 {"end_s", segment.end_s},
                 {"text", segment.text},
                 {"tokens", segment.tokens},
                 {"mean_log_probability", segment.mean_log_probability},
                 {"no_speech_probability", segment.no_speech},
                 {"compression_ratio", segment.compression_ratio},
                 {"temperature", segment.temperature}};
  if (!words) return object;
  object["words"] = Json::array();
  for (const SpokenWord& word : segment.words)
    object["words"].push_back(
        {{"begin_s", word.begin_s}, {"end_s", word.end_s}, {"text", word.text}});
  return object;
}

/// A model without a tokenizer says numbers.
std::string text_of(const SpokenSegment& segment) {
  if (!segment.text.empty()) return segment.text;
  std::string text;
  for (const int32_t token : segment.tokens) text += " " + std::to_string(token);
  return text;
}

void print_segment(const SpokenSegment& segment) {
  std::printf("  %8.2f - %8.2f s %s\n", segment.begin_s, segment.end_s, text_of(segment).c_str());
  for (const SpokenWord& word : segment.words)
    std::printf("    %8.2f - %8.2f s %s\n", word.begin_s, word.end_s, word.text.c_str());
}

void write_down(const RunArguments& arguments, const AudioFrontendConfig& frontend,
                SpeechToText* recognizer, const std::string& file) {
  Sound sound;
  std::string error;
  if (!read_sound(file, &sound, &error)) throw CommandError(error);
  if (!resample(&sound, recognizer->sample_rate_hz(), &error))
    throw CommandError("'" + file + "' " + error);
  std::vector<SpokenSegment> segments;
  const double begin = now_us();
  if (!recognizer->recognize(sound.samples.data(), sound.samples.size(), &segments, &error))
    throw CommandError("'" + file + "': " + error);
  const double spent_us = now_us() - begin;
  const double sound_s =
      static_cast<double>(sound.samples.size()) / static_cast<double>(sound.sample_rate_hz);
  const std::string& subtitles = arguments.speech.subtitles;
  if (!subtitles.empty())
    write_text(beside(arguments, subtitles, file),
               std::filesystem::path(subtitles).extension() == ".vtt" ? subtitles_vtt(segments)
                                                                      : subtitles_srt(segments));
  if (!arguments.attention.empty() &&
      !write_png(beside(arguments, arguments.attention, file),
                 spoken_attention(frontend, sound.samples, segments), &error))
    throw CommandError(error);
  if (arguments.json) {
    Json object = {{"input", file}, {"language", recognizer->language()}, {"text", ""}};
    std::string text;
    object["segments"] = Json::array();
    for (const SpokenSegment& segment : segments) {
      // Whisper's texts begin with the space between them.
      const bool parted = text.empty() || segment.text.empty() || segment.text.front() == ' ';
      text += (parted ? "" : " ") + segment.text;
      object["segments"].push_back(segment_json(segment, arguments.speech.options.words));
    }
    object["text"] = text;
    object["sound_s"] = sound_s;
    object["latency_us"] = spent_us;
    // A token may hold a part of a character only.
    std::printf("%s\n", object.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    return;
  }
  const std::string& language = recognizer->language();
  std::printf("%s%s\n", file.c_str(), language.empty() ? "" : ("  [" + language + "]").c_str());
  for (const SpokenSegment& segment : segments) print_segment(segment);
  std::printf("  %.1f s of sound in %.2f s, %.0f times faster than it was said\n", sound_s,
              spent_us * 1e-6, sound_s / (spent_us * 1e-6));
}

}  // namespace

void SpeechArguments::add_to(CLI::App* command) {
  command->add_option("--language", options.language,
                      "Speech: its language, such as 'en' (default: heard)");
  command->add_flag("--translate", options.translate, "Speech: to English");
  command->add_flag("--words", options.words, "Speech: when each word was said");
  command->add_flag_callback(
      "--no-timestamps", [this] { options.timestamps = false; },
      "Speech: one text for each window");
  command->add_flag_callback(
      "--no-fallback", [this] { options.fallback = false; },
      "Speech: never try again at higher temperatures");
  command->add_option("--prompt", options.prompt,
                      "Speech: a text as if said before, with the names and style to expect");
  command->add_flag_callback(
      "--no-previous-text", [this] { options.previous_text = false; },
      "Speech: each window without the text of the last");
  command
      ->add_option(
          "--beams", options.beams,
          "Speech: how many texts are followed at once (Whisper: as many as converted for)")
      ->check(CLI::Range(1, 64));
  command->add_option("--subtitles", subtitles, "Speech: write FILE.srt or FILE.vtt")
      ->check([](const std::string& path) {
        const std::string kind = std::filesystem::path(path).extension().string();
        return kind == ".srt" || kind == ".vtt" ? std::string()
                                                : "'" + path + "' ends neither in .srt nor in .vtt";
      });
}

void run_speech(const RunArguments& arguments, const Model& model) {
  if (arguments.files.empty())
    throw CommandError("nothing to listen to: give wav, flac or mp3 files");
  if (!arguments.attention_of.empty() || arguments.attention_query >= 0)
    throw CommandError("--attention-of: of speech the heads that follow the sound are drawn");
  SpeechOptions options = arguments.speech.options;
  options.attention = !arguments.attention.empty();
  options.words = options.words || options.attention;
  AudioTask audio;
  (void)audio_task(*model.get(), &audio);
  std::string error;
  const auto recognizer = make_speech_to_text(model.get(), arguments.run.engine(), options, &error);
  if (recognizer == nullptr) throw CommandError(error);
  each_file(arguments, {}, [&](const std::string& file) {
    write_down(arguments, audio.frontend, recognizer.get(), file);
  });
}

}  // namespace heed::cli
