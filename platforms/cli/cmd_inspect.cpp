// heed inspect: what a file holds: provenance, task, entry points, ops, tensors and the memory
// plan.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "models/task_info.h"
#include "platforms/cli/commands.h"
#include "platforms/cli/open_model.h"
#include "platforms/cli/plan_drawing.h"

namespace heed::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InspectArguments {
  std::string model, svg;
  RunOptions run;
  bool ops = false, tensors = false, plan = false, json = false;
};

heed_tensor tensor_at(const Model& model, int32_t index) {
  heed_tensor tensor{};
  if (index < 0 || heed_model_tensor(model.get(), index, &tensor) != HEED_OK) tensor.name = "-";
  return tensor;
}

std::vector<int32_t> operands(const Model& model, const Entry& entry, int32_t op, int32_t count,
                              bool outputs) {
  std::vector<int32_t> indices(static_cast<size_t>(count), -1);
  for (int32_t i = 0; i < count; ++i) {
    int32_t* index = &indices[static_cast<size_t>(i)];
    if (outputs)
      heed_model_op_output(model.get(), entry.info.name, op, i, index);
    else
      heed_model_op_input(model.get(), entry.info.name, op, i, index);
  }
  return indices;
}

void print_ops(const Model& model, const Entry& entry) {
  std::printf("\nOps of '%s':\n", entry.info.name);
  for (int32_t i = 0; i < entry.info.ops; ++i) {
    heed_op op{};
    heed_model_op(model.get(), entry.info.name, i, &op);
    std::printf("  %4d %-12s %s\n       ", i, op.kind, op.name);
    for (int32_t index : operands(model, entry, i, op.inputs, false)) {
      const heed_tensor tensor = tensor_at(model, index);
      if (index >= 0) std::printf(" %d:%s", index, tensor_text(tensor).c_str());
    }
    std::printf(" ->");
    for (int32_t index : operands(model, entry, i, op.outputs, true))
      if (index >= 0) std::printf(" %d:%s", index, tensor_text(tensor_at(model, index)).c_str());
    std::printf("\n");
  }
}

void print_tensors(const Model& model) {
  static const char* const kStorage[] = {"constant", "arena", "state", "view"};
  std::printf("\nTensors:\n");
  const int32_t count = model.info().tensors;
  for (int32_t i = 0; i < count; ++i) {
    const heed_tensor tensor = tensor_at(model, i);
    std::printf("  %4d %-8s %10zu B at %-10llu %-28s %s\n", i, kStorage[tensor.storage],
                tensor.bytes, static_cast<unsigned long long>(tensor.offset),
                tensor_text(tensor).c_str(), tensor.name);
  }
}

void print_plan(const Plan& plan, const Entry& entry) {
  std::printf("\nMemory plan of '%s': %s\n", entry.info.name,
              size_text(static_cast<double>(entry.info.arena_bytes)).c_str());
  for (const PlannedTensor& tensor : plan.tensors)
    std::printf("  ops %4d to %-4d bytes %10llu to %-10llu %s\n", tensor.first_op, tensor.last_op,
                static_cast<unsigned long long>(tensor.offset),
                static_cast<unsigned long long>(tensor.offset + tensor.bytes), tensor.name.c_str());
}

Json tensor_json(const heed_tensor& tensor) {
  return {{"index", tensor.index},
          {"name", tensor.name},
          {"type", tensor_text(tensor)},
          {"bytes", tensor.bytes},
          {"storage", static_cast<int>(tensor.storage)},
          {"offset", tensor.offset},
          {"parent", tensor.parent}};
}

Json entry_json(const Model& model, const Entry& entry) {
  Json inputs = Json::array(), outputs = Json::array(), ops = Json::array();
  for (const heed_tensor& tensor : entry.inputs) inputs.push_back(tensor_json(tensor));
  for (const heed_tensor& tensor : entry.outputs) outputs.push_back(tensor_json(tensor));
  for (int32_t i = 0; i < entry.info.ops; ++i) {
    heed_op op{};
    heed_model_op(model.get(), entry.info.name, i, &op);
    ops.push_back({{"kind", op.kind},
                   {"name", op.name},
                   {"multiply_adds", op.multiply_adds},
                   {"inputs", operands(model, entry, i, op.inputs, false)},
                   {"outputs", operands(model, entry, i, op.outputs, true)}});
  }
  return {{"name", entry.info.name},
          {"arena_bytes", entry.info.arena_bytes},
          {"attentions", entry.info.attentions},
          {"inputs", inputs},
          {"outputs", outputs},
          {"ops", ops}};
}

size_t memory_needed(const Model& model, const InspectArguments& arguments) {
  size_t bytes = 0;
  Diagnostic diagnostic;
  if (model.memory_needed(arguments.run.engine(), &bytes, &diagnostic) != Status::ok)
    throw CommandError(diagnostic.text());
  return bytes;
}

void print_json(const InspectArguments& arguments, const Model& model) {
  const heed_info info = model.info();
  Json object = {{"file", arguments.model},
                 {"version", info.version},
                 {"file_bytes", info.file_bytes},
                 {"constant_bytes", info.blob_bytes},
                 {"state_bytes", info.state_bytes},
                 {"memory_bytes", memory_needed(model, arguments)},
                 {"producer", info.producer},
                 {"source", info.source_name},
                 {"source_sha256", info.source_sha256},
                 {"source_bytes", info.source_bytes},
                 {"recipe", info.recipe},
                 {"task", info.task},
                 {"labels", info.labels}};
  if (info.measured)
    object["accuracy"] = {{"output_snr_db", info.output_snr_db},
                          {"answers_kept", info.answers_kept},
                          {"samples", info.samples},
                          {"worst_layer", info.worst_layer},
                          {"worst_layer_snr_db", info.worst_layer_snr_db}};
  object["entry_points"] = Json::array();
  for (int32_t i = 0; i < info.entry_points; ++i) {
    heed_entry_point entry{};
    heed_model_entry_point(model.get(), i, &entry);
    object["entry_points"].push_back(entry_json(model, find_entry(model, entry.name)));
  }
  if (arguments.tensors) {
    object["tensors"] = Json::array();
    for (int32_t i = 0; i < info.tensors; ++i)
      object["tensors"].push_back(tensor_json(tensor_at(model, i)));
  }
  std::printf("%s\n", object.dump(2).c_str());
}

void print_summary(const InspectArguments& arguments, const Model& model) {
  const heed_info info = model.info();
  std::printf("%s: heed format %u.%u, %s (%s of constants)\n", arguments.model.c_str(),
              info.version / 1000, info.version % 1000,
              size_text(static_cast<double>(info.file_bytes)).c_str(),
              size_text(static_cast<double>(info.blob_bytes)).c_str());
  if (*info.source_name)
    std::printf("Made by %s from %s (%s, SHA-256 %s)\n", info.producer, info.source_name,
                size_text(static_cast<double>(info.source_bytes)).c_str(), info.source_sha256);
  if (*info.recipe) std::printf("Recipe: %s\n", info.recipe);
  if (info.measured) {
    std::printf("Measured on %u samples: output SNR %.1f dB", info.samples,
                static_cast<double>(info.output_snr_db));
    if (info.answers_kept >= 0)
      std::printf(", %.1f %% of answers kept", 100.0 * static_cast<double>(info.answers_kept));
    std::printf("; worst layer %s with %.1f dB\n", info.worst_layer,
                static_cast<double>(info.worst_layer_snr_db));
  }
  if (*info.task) std::printf("Task: %s, %d labels\n", info.task, info.labels);
  std::printf("Memory with %d thread%s: %zu bytes\n", arguments.run.threads,
              arguments.run.threads == 1 ? "" : "s", memory_needed(model, arguments));
  for (int32_t i = 0; i < info.entry_points; ++i) {
    heed_entry_point described{};
    heed_model_entry_point(model.get(), i, &described);
    const Entry entry = find_entry(model, described.name);
    std::printf("Entry point '%s': %d ops, %d attention layers, arena %s\n", entry.info.name,
                entry.info.ops, entry.info.attentions,
                size_text(static_cast<double>(entry.info.arena_bytes)).c_str());
    for (const heed_tensor& tensor : entry.inputs)
      std::printf("  in  %s: %s\n", tensor.name, tensor_text(tensor).c_str());
    for (const heed_tensor& tensor : entry.outputs)
      std::printf("  out %s: %s\n", tensor.name, tensor_text(tensor).c_str());
  }
}

void inspect_command(const InspectArguments& arguments) {
  const Model model = open_model(arguments.model);
  const Entry entry = find_entry(model, arguments.run.entry_point);
  if (!arguments.svg.empty()) write_text(arguments.svg, plan_svg(plan_of(model, entry)));
  if (arguments.json) return print_json(arguments, model);
  print_summary(arguments, model);
  if (arguments.ops) print_ops(model, entry);
  if (arguments.tensors) print_tensors(model);
  if (arguments.plan) print_plan(plan_of(model, entry), entry);
}

}  // namespace

void add_inspect(CLI::App& program) {
  auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = program.add_subcommand("inspect", "Show what a .heed file holds");
  command->add_option("model", arguments->model, "The .heed file")->required();
  command->add_flag("--ops", arguments->ops, "List the ops of an entry point");
  command->add_flag("--tensors", arguments->tensors, "List all tensors");
  command->add_flag("--plan", arguments->plan,
                    "List the memory plan: which tensor lies where, from which op to which");
  command->add_option("--svg", arguments->svg, "Draw the memory plan as an SVG file");
  command->add_flag("--json", arguments->json, "Print one JSON object");
  arguments->run.add_to(command);
  command->callback([arguments] { inspect_command(*arguments); });
}

}  // namespace heed::cli
