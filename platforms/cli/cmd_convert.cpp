// heed convert: a trained ONNX or TensorFlow Lite model becomes an int8 .heed file.

#include <cstdio>
#include <filesystem>
#include <memory>

#include "converter/convert.h"
#include "converter/graph/convert_error.h"
#include "platforms/cli/commands.h"

namespace heed::cli {
namespace {

struct ConvertArguments {
  std::vector<std::string> sources;
  ConvertOptions options;
  std::vector<std::string> shapes, dims, constants, samples;
  std::string task, report;
  size_t layers = 5;
  bool json = false;
};

std::vector<int64_t> parse_shape(const std::string& text) {
  std::vector<int64_t> dims;
  size_t at = 0;
  while (at <= text.size()) {
    const size_t end = std::min(text.find_first_of("x,", at), text.size());
    const std::string number = text.substr(at, end - at);
    if (number.empty() || number.size() > 9 ||
        number.find_first_not_of("0123456789") != std::string::npos)
      throw CommandError("a size is a whole number, and a shape is like 1x80x3000: '" + text +
                         "' is neither");
    dims.push_back(std::stoll(number));
    at = end + 1;
  }
  return dims;
}

/// model.onnx -> model.heed; of a folder, whose name may hold dots, folder.heed.
std::string output_beside(const std::string& source) {
  std::filesystem::path path = std::filesystem::path(source).lexically_normal();
  if (!std::filesystem::is_directory(path)) return path.replace_extension(".heed").string();
  if (!path.has_filename()) path = path.parent_path();
  path = std::filesystem::absolute(path).lexically_normal();
  return path.string() + ".heed";
}

void convert_command(ConvertArguments arguments) {
  ConvertOptions& options = arguments.options;
  for (const std::string& text : arguments.shapes) {
    const auto [name, value] = name_and_value("--shape", text);
    options.shapes[name] = parse_shape(value);
  }
  for (const std::string& text : arguments.dims) {
    const auto [name, value] = name_and_value("--dim", text);
    const std::vector<int64_t> size = parse_shape(value);
    if (size.size() != 1) throw CommandError("--dim wants NAME=128, not '" + text + "'");
    options.dims[name] = size.front();
  }
  options.constants = parse_constants(arguments.constants);
  for (const std::string& text : arguments.samples) {
    const auto [name, value] = name_and_value("--sample", text);
    // A name that comes again begins the next sample.
    if (options.samples.empty() || options.samples.back().count(name))
      options.samples.emplace_back();
    options.samples.back()[name] = value;
  }
  if (!arguments.task.empty()) {
    options.task_json = read_text(arguments.task);
    options.task_folder = std::filesystem::path(arguments.task).parent_path().string();
  }
  std::vector<ConvertSource> sources;
  for (const std::string& text : arguments.sources) {
    const size_t at = text.find('=');
    if (at == std::string::npos)
      sources.push_back({text, "main"});
    else
      sources.push_back({text.substr(at + 1), text.substr(0, at)});
  }
  if (options.output.empty() && !options.dry_run) options.output = output_beside(sources[0].path);
  try {
    const ConvertReport report = convert(sources, options);
    if (!arguments.report.empty()) write_text(arguments.report, report_json(report));
    const std::string text =
        arguments.json ? report_json(report) + "\n" : report_text(report, arguments.layers);
    std::fputs(text.c_str(), stdout);
  } catch (const ConvertError& error) {
    throw CommandError(error.what());
  }
}

}  // namespace

void add_convert(CLI::App& program) {
  auto arguments = std::make_shared<ConvertArguments>();
  CLI::App* command =
      program.add_subcommand("convert", "Convert a trained model to an int8 .heed file");
  command
      ->add_option(
          "model", arguments->sources,
          "ONNX or TensorFlow Lite file, or folder of a Hugging Face checkpoint or export; several "
          "as ENTRY=FILE become entry points of one model (encode=enc.onnx decode=dec.onnx)")
      ->required();
  command->add_option("-o,--output", arguments->options.output,
                      "The .heed file (default: beside the source)");
  command->add_option("--task", arguments->task,
                      "JSON file that says what the model is for: labels, front end, ...");
  command->add_option(
      "--keep-float", arguments->options.keep_float,
      "Keep layers whose name matches PATTERN (* and ?) in float32; may be repeated");
  command->add_option(
      "--min-snr", arguments->options.min_snr_db,
      "Keep layers float, worst first, until every output has this signal-to-noise ratio in dB");
  command->add_option("--shape", arguments->shapes,
                      "NAME=1x80x3000: the shape of an input that the source leaves open");
  command->add_option("--dim", arguments->dims,
                      "sequence_length=128: the size of a dimension that the source names and "
                      "leaves open; may be repeated");
  command->add_option("--constant", arguments->constants,
                      "use_cache_branch=0: an input that always has this value becomes a constant; "
                      "may be repeated");
  command->add_option("--keep-past", arguments->options.keep_past,
                      "Keep the keys and values of so many tokens in the session: for decoders "
                      "exported with past_key_values");
  command->add_option(
      "--sample", arguments->samples,
      "NAME=FILE.npy: measure on this input instead of random numbers; may be repeated");
  command->add_option("--seed", arguments->options.seed, "Of the random inputs");
  command->add_option("--random-samples", arguments->options.random_samples,
                      "How many random inputs to measure with; 0: none");
  command->add_flag("--dry-run", arguments->options.dry_run,
                    "Tell what would be fused and what not, and why; write nothing");
  command->add_option("--layers", arguments->layers,
                      "How many of the worst layers to list (0: all)");
  command->add_option("--report", arguments->report, "Write the whole report as JSON to this file");
  command->add_flag("--json", arguments->json, "Print the report as one JSON object");
  command->callback([arguments] { convert_command(*arguments); });
}

}  // namespace heed::cli
