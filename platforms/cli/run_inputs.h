#pragma once
// What `heed run` does with every kind of input: its options, and how answers are shown and saved.

#include <cstdio>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/heed_tasks.h"
#include "models/speech_to_text.h"
#include "platforms/cli/attention_drawing.h"
#include "platforms/cli/commands.h"
#include "platforms/cli/open_model.h"
#include "platforms/cli/run_text.h"

namespace heed::cli {

struct SpeechArguments {
  SpeechOptions options;
  std::string subtitles;
  void add_to(CLI::App* command);
};

struct RunArguments {
  std::string model;
  std::vector<std::string> files, inputs;
  RunOptions run;
  TextArguments text;
  SpeechArguments speech;
  std::string save, attention, attention_of, output;
  float threshold = 0;
  int32_t attention_query = -1;
  size_t top = 5;
  bool json = false;
  bool stream = false;
  uint32_t rate_hz = 0;
};

/// Each kind of task runs all files; implemented in run_<kind>.cpp. Throws CommandError.
void run_pictures(const RunArguments& arguments, const Model& model);
void run_speech(const RunArguments& arguments, const Model& model);

/// Writes every output as FOLDER/[stem.]NAME.npy.
void save_outputs(const std::vector<heed_tensor>& outputs, const std::string& folder,
                  const std::string& stem);

/// Where a picture made of `file` goes: `path`, with the file's name in it where there are several.
std::string beside(const RunArguments& arguments, const std::string& path, const std::string& file);

void print_answers(const std::vector<heed_answer>& answers, const std::string& indent);
nlohmann::ordered_json answers_json(const std::vector<heed_answer>& answers);

/// Every file in turn; a file that cannot be used is reported and the others still run. Outputs are
/// saved after each where that was asked for.
template <class RunOne>
void each_file(const RunArguments& arguments, const std::vector<heed_tensor>& outputs,
               RunOne run_one) {
  size_t failed = 0;
  for (const std::string& file : arguments.files) {
    try {
      run_one(file);
      if (!arguments.save.empty())
        save_outputs(
            outputs, arguments.save,
            arguments.files.size() == 1 ? "" : std::filesystem::path(file).stem().string());
    } catch (const CommandError& error) {
      if (arguments.files.size() == 1) throw;
      std::fflush(stdout);
      std::fprintf(stderr, "heed: %s\n", error.what());
      ++failed;
    }
  }
  if (failed != 0)
    throw CommandError(std::to_string(failed) + " of " + std::to_string(arguments.files.size()) +
                       " inputs failed");
}

}  // namespace heed::cli
