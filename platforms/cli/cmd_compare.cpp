// heed compare: the float source against its .heed file, layer by layer.

#include <cstdio>
#include <memory>

#include "converter/compare.h"
#include "converter/graph/convert_error.h"
#include "platforms/cli/commands.h"

namespace heed::cli {
namespace {

struct CompareArguments {
  std::string source, model, entry_point = "main";
  std::vector<std::string> constants, samples;
  CompareOptions options;
  size_t layers = 20;
  bool json = false;
};

void compare_command(CompareArguments arguments) {
  for (const std::string& text : arguments.samples) {
    const auto [name, value] = name_and_value("--sample", text);
    std::vector<ConvertSample>& samples = arguments.options.samples;
    if (samples.empty() || samples.back().count(name)) samples.emplace_back();
    samples.back()[name] = value;
  }
  arguments.options.constants = parse_constants(arguments.constants);
  try {
    const CompareReport report =
        compare({{arguments.source, arguments.entry_point}}, arguments.model, arguments.options);
    const std::string text =
        arguments.json ? compare_json(report) + "\n" : compare_text(report, arguments.layers);
    std::fputs(text.c_str(), stdout);
  } catch (const ConvertError& error) {
    throw CommandError(error.what());
  }
}

}  // namespace

void add_compare(CLI::App& program) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command = program.add_subcommand(
      "compare", "Run the float source against its .heed file, layer by layer");
  command
      ->add_option("source", arguments->source,
                   "The ONNX or TensorFlow Lite file, or the checkpoint's folder")
      ->required();
  command->add_option("model", arguments->model, "The .heed file made of it")->required();
  command->add_option("--entry", arguments->entry_point, "The entry point to compare");
  command->add_option("--constant", arguments->constants,
                      "NAME=VALUE: an input that is a constant (default: as at conversion)");
  command->add_option("--sample", arguments->samples,
                      "NAME=FILE.npy: compare on this input instead of random numbers");
  command->add_option("--seed", arguments->options.seed, "Of the random inputs");
  command->add_option("--random-samples", arguments->options.random_samples,
                      "How many random inputs to compare on");
  command->add_option("--layers", arguments->layers,
                      "How many layers to list, worst first (0: all)");
  command->add_flag("--json", arguments->json, "Print the report as one JSON object");
  command->callback([arguments] { compare_command(*arguments); });
}

}  // namespace heed::cli
