// heed run: sounds, pictures or raw tensors in; words, labels or tensors out.

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "models/audio/resample.h"
#include "models/sound_classifier.h"
#include "models/task_info.h"
#include "models/tensors/npy.h"
#include "platforms/cli/run_inputs.h"
#include "platforms/cli/run_stream.h"

namespace heed::cli {
namespace {

using Json = nlohmann::ordered_json;

NpyType npy_type(const heed_tensor& tensor) {
  switch (tensor.type) {
    case HEED_I32:
      return NpyType::i32;
    case HEED_I64:
      return NpyType::i64;
    case HEED_I8:
      return NpyType::i8;
    case HEED_U8:
      return NpyType::u8;
    case HEED_BOOL:
      return NpyType::boolean;
    default:
      return NpyType::f32;
  }
}

}  // namespace

void save_outputs(const std::vector<heed_tensor>& outputs, const std::string& folder,
                  const std::string& stem) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) throw CommandError("cannot make the folder '" + folder + "': " + code.message());
  for (const heed_tensor& output : outputs) {
    std::string name = output.name, error;
    for (char& c : name)
      if (c == '/' || c == '\\' || c == ':') c = '_';
    const std::vector<int64_t> shape(output.dims, output.dims + output.rank);
    const std::string path =
        (std::filesystem::path(folder) / ((stem.empty() ? "" : stem + ".") + name + ".npy"))
            .string();
    if (!write_npy(path, npy_type(output), shape, output.data, &error)) throw CommandError(error);
  }
}

std::string beside(const RunArguments& arguments, const std::string& path,
                   const std::string& file) {
  if (arguments.files.size() == 1) return path;
  const std::filesystem::path whole(path);
  return (whole.parent_path() /
          (whole.stem().string() + "." + std::filesystem::path(file).stem().string() + ".png"))
      .string();
}

void print_answers(const std::vector<heed_answer>& answers, const std::string& indent) {
  for (const heed_answer& answer : answers) {
    const std::string label = *answer.label ? answer.label : std::to_string(answer.index);
    std::printf("%s%-24s %6.2f %%\n", indent.c_str(), label.c_str(),
                100.0 * static_cast<double>(answer.probability));
  }
}

Json answers_json(const std::vector<heed_answer>& answers) {
  Json list = Json::array();
  for (const heed_answer& answer : answers)
    list.push_back(
        {{"label", answer.label}, {"index", answer.index}, {"probability", answer.probability}});
  return list;
}

namespace {

/// The picture of the window whose answer was surest, so far.
struct SoundPicture {
  const AttentionMap* map = nullptr;  // null: none is wanted
  AudioFrontendConfig frontend;
  float surest = -1;
  Image image;

  void look(std::span<const float> samples, const std::vector<heed_answer>& best) {
    const float probability = best.empty() ? 0 : best[0].probability;
    if (map == nullptr || probability <= surest) return;
    surest = probability;
    std::vector<PlacedWord> words;
    if (!best.empty()) {
      char text[128];
      std::snprintf(text, sizeof text, "%.64s  %.1f %%",
                    *best[0].label ? best[0].label : std::to_string(best[0].index).c_str(),
                    100.0 * static_cast<double>(probability));
      words.push_back({text, 0,
                       static_cast<double>(frontend.clip_samples) /
                           static_cast<double>(frontend.sample_rate_hz)});
    }
    image = sound_attention(frontend, samples, words, *map);
  }
};

void run_sound(const RunArguments& arguments, SoundClassifier* spotter, const std::string& file,
               const AudioTask& audio, const AttentionMap* map, bool answers_wanted) {
  Sound sound;
  std::string error;
  if (!read_sound(file, &sound, &error)) throw CommandError(error);
  if (!resample(&sound, spotter->sample_rate_hz(), &error))
    throw CommandError("'" + file + "' " + error);
  std::vector<float> probabilities(spotter->classes());
  const size_t windows = spotter->windows(sound.samples.size());
  Json object = {{"input", file}, {"windows", Json::array()}};
  SoundPicture picture{map, audio.frontend, -1, {}};
  double spent_us = 0;
  for (size_t w = 0; w < windows; ++w) {
    const size_t at = w * spotter->hop_samples();
    const double begin = now_us();
    if (!spotter->listen(sound.samples.data() + at, sound.samples.size() - at, &error))
      throw CommandError("'" + file + "': " + error);
    spent_us += now_us() - begin;
    std::vector<heed_answer> best;
    if (answers_wanted) {
      spotter->probabilities(probabilities.data());
      best = spotter->task().best(probabilities.data(), probabilities.size(), arguments.top);
    }
    picture.look(std::span(sound.samples).subspan(at), best);
    if (!answers_wanted) continue;
    const double start_s = static_cast<double>(at) / spotter->sample_rate_hz();
    if (arguments.json)
      object["windows"].push_back({{"start_s", start_s}, {"answers", answers_json(best)}});
    else if (windows == 1)
      std::printf("%s\n", file.c_str()), print_answers(best, "  ");
    else
      std::printf("%s%8.3f s  %s (%.1f %%)\n", w == 0 ? (file + "\n").c_str() : "", start_s,
                  *best[0].label ? best[0].label : std::to_string(best[0].index).c_str(),
                  100.0 * static_cast<double>(best[0].probability));
  }
  object["latency_us"] = spent_us / static_cast<double>(windows);
  if (arguments.json)
    std::printf("%s\n", object.dump().c_str());
  else if (!answers_wanted)
    std::printf("%s: %.2f ms\n", file.c_str(), spent_us * 1e-3);
  if (map == nullptr) return;
  if (!write_png(beside(arguments, arguments.attention, file), picture.image, &error))
    throw CommandError(error);
}

// Fills an input from an .npy file whose elements and shape must be the input's.
void fill_input(const heed_tensor& input, const std::string& path) {
  Npy npy;
  std::string error;
  if (!read_npy(path, &npy, &error)) throw CommandError(error);
  const std::vector<int64_t> wanted(input.dims, input.dims + input.rank);
  const bool integers = input.type == HEED_I32 || input.type == HEED_I64;
  const bool npy_integers =
      npy.type != NpyType::f32 && npy.type != NpyType::f64 && npy.type != NpyType::f16;
  if (npy.shape != wanted || integers != npy_integers) {
    std::string shape;
    for (int64_t d : npy.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(d);
    throw CommandError("'" + path + "' holds " + (npy_integers ? "integers" : "floats") +
                       " of shape [" + shape + "], but the input '" + input.name + "' is " +
                       tensor_text(input));
  }
  if (input.type == HEED_F32) {
    const std::vector<float> values = npy.floats();
    std::memcpy(input.data, values.data(), input.bytes);
  } else if (input.type == HEED_I64) {
    const std::vector<int64_t> values = npy.integers();
    std::memcpy(input.data, values.data(), input.bytes);
  } else if (npy.bytes.size() == input.bytes) {
    std::memcpy(input.data, npy.bytes.data(), input.bytes);
  } else {
    throw CommandError("'" + path + "' has elements of another width than the input '" +
                       input.name + "', which is " + tensor_text(input));
  }
}

void run_tensors(const RunArguments& arguments, const Model& model) {
  TaskSession task;
  std::string error;
  if (!task.create(model.get(), arguments.run.engine(), arguments.run.entry_point, &error))
    throw CommandError(error);
  std::vector<bool> filled(task.inputs().size(), false);
  for (const std::string& text : arguments.inputs) {
    const auto [name, path] = name_and_value("--input", text);
    bool found = false;
    std::string known;
    for (size_t i = 0; i < task.inputs().size(); ++i) {
      known += std::string(i == 0 ? "" : ", ") + task.inputs()[i].name;
      if (task.inputs()[i].name != name) continue;
      fill_input(task.inputs()[i], path);
      filled[i] = found = true;
    }
    if (!found)
      throw CommandError("--input: the model has no input '" + name + "'; it has " + known);
  }
  for (size_t i = 0; i < filled.size(); ++i)
    if (!filled[i])
      throw CommandError(std::string("--input: nothing was given for the input '") +
                         task.inputs()[i].name + "', " + tensor_text(task.inputs()[i]));
  const double begin = now_us();
  if (!task.run(&error)) throw CommandError(error);
  const double spent_us = now_us() - begin;
  if (!arguments.save.empty()) save_outputs(task.outputs(), arguments.save, "");
  Json object = {{"outputs", Json::array()}, {"latency_us", spent_us}};
  for (const heed_tensor& output : task.outputs()) {
    object["outputs"].push_back({{"name", output.name}, {"type", tensor_text(output)}});
    if (!arguments.json) std::printf("%s: %s\n", output.name, tensor_text(output).c_str());
  }
  if (arguments.json)
    std::printf("%s\n", object.dump().c_str());
  else
    std::printf("%.2f ms\n", spent_us * 1e-3);
}

void run_command(const RunArguments& arguments) {
  const Model model = open_model(arguments.model);
  if (!arguments.inputs.empty()) return run_tensors(arguments, model);
  if (arguments.stream)
    return run_stream(model, arguments.run.engine(), {arguments.rate_hz, arguments.json});
  if (task_kind(*model.get()) == "speech_recognition") return run_speech(arguments, model);
  if (text_task(*model.get()))
    return run_texts({arguments.files.empty() ? std::vector<std::string>{"-"} : arguments.files,
                      arguments.run, arguments.text, arguments.save, arguments.top, arguments.json},
                     model);
  if (arguments.files.empty())
    throw CommandError("nothing to run on: give files, or tensors with --input NAME=FILE.npy");
  const heed_options options = arguments.run.engine();
  AudioTask audio;
  AttentionMap map;
  std::string error;
  const bool draw = !arguments.attention.empty();
  if (audio_task(*model.get(), &audio)) {
    SoundClassifier spotter;
    if (!spotter.create(model.get(), options, arguments.run.entry_point, &error))
      throw CommandError(error);
    if (draw &&
        !map.tap(*model.get(), spotter.task().session(), spotter.task().entry_point().c_str(),
                 attention_choice(arguments.attention_of, arguments.attention_query), &error))
      throw CommandError("--attention: " + error);
    each_file(arguments, spotter.task().outputs(), [&](const std::string& file) {
      run_sound(arguments, &spotter, file, audio, draw ? &map : nullptr, model.info().labels > 0);
    });
  } else if (has_image_task(*model.get())) {
    run_pictures(arguments, model);
  } else {
    throw CommandError("'" + arguments.model +
                       "' carries no task, so a file means nothing to it: convert it with --task, "
                       "or give tensors with --input NAME=FILE.npy");
  }
}

}  // namespace

void add_run(CLI::App& program) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command =
      program.add_subcommand("run", "Run a model on sounds, pictures, texts or raw tensors");
  command->add_option("model", arguments->model, "The .heed file")->required();
  command->add_option("files", arguments->files,
                      "Sounds (wav, flac, mp3), pictures (png, jpg) or texts, "
                      "as the model's task wants");
  command->add_option("--input", arguments->inputs,
                      "NAME=FILE.npy: a raw input tensor; one for each input");
  command->add_option("--save", arguments->save,
                      "Write each output as DIR/NAME.npy (DIR/FILE.NAME.npy for several files)");
  command->add_option("-o,--output", arguments->output,
                      "Write a PNG of what was found: boxes drawn, or a mask of classes");
  command->add_option("--threshold", arguments->threshold,
                      "Least probability of a box (default: the model's own)");
  command->add_option("--attention", arguments->attention,
                      "Draw what the model attended to as a PNG");
  command->add_option("--attention-of", arguments->attention_of,
                      "cls: the class token in the last layer; rollout: through all layers; "
                      "LAYER or LAYER,HEAD: that one (default: the last layer)");
  command->add_option("--attention-query", arguments->attention_query,
                      "Which query (default: the class token, what found the boxes, or all)");
  command->add_option("--top", arguments->top, "How many answers to print")->capture_default_str();
  command->add_flag("--json", arguments->json, "Print one JSON object per input and line");
  CLI::Option* stream = command->add_flag(
      "--stream", arguments->stream,
      "Listen to standard input, 16-bit mono PCM, and print what is heard as it is heard");
  command->add_option("--rate", arguments->rate_hz, "Of the stream, in Hz (default: the model's)")
      ->needs(stream);
  arguments->run.add_to(command);
  arguments->text.add_to(command);
  arguments->speech.add_to(command);
  command->callback([arguments] { run_command(*arguments); });
}

}  // namespace heed::cli
