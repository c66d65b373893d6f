#include "platforms/cli/open_model.h"

#include "ops/isa.h"
#include "platforms/cli/commands.h"

namespace heed::cli {

void RunOptions::add_to(CLI::App* command) {
  std::string names;
  for (size_t i = 0; i < kIsaNameCount; ++i)
    names += std::string(i == 0 ? "" : ", ") + kIsaNames[i].name;
  command->add_option("--threads", threads, "Threads to run with")
      ->check(CLI::Range(1, HEED_MAX_THREADS))
      ->capture_default_str();
  command->add_option("--isa", isa, "Force a kernel set: native, " + names)->capture_default_str();
  command->add_option("--entry", entry_point, "Entry point (default: the first)");
}

heed_options RunOptions::engine() const {
  IsaSet set;
  if (!parse_isa(isa.c_str(), &set))
    throw CommandError("--isa: no instruction set is called '" + isa + "'");
  if (!detect_isa().contains(set)) throw CommandError("--isa: this machine has no " + isa);
  heed_options options{};
  options.threads = threads;
  options.isa = isa.c_str();
  return options;
}

Model open_model(const std::string& path) {
  Model model;
  Diagnostic diagnostic;
  if (model.open(path.c_str(), &diagnostic) != Status::ok) {
    const std::string said = diagnostic.text();  // some name the file themselves
    throw CommandError(said.starts_with(path) ? said : "'" + path + "': " + said);
  }
  return model;
}

Entry find_entry(const Model& model, const std::string& name) {
  const heed_info info = model.info();
  std::string known;
  for (int32_t i = 0; i < info.entry_points; ++i) {
    Entry entry;
    if (heed_model_entry_point(model.get(), i, &entry.info) != HEED_OK) break;
    known += std::string(i == 0 ? "" : ", ") + entry.info.name;
    if (!name.empty() && name != entry.info.name) continue;
    entry.inputs.resize(static_cast<size_t>(entry.info.inputs));
    entry.outputs.resize(static_cast<size_t>(entry.info.outputs));
    for (int32_t j = 0; j < entry.info.inputs; ++j)
      heed_model_input(model.get(), entry.info.name, j, &entry.inputs[static_cast<size_t>(j)]);
    for (int32_t j = 0; j < entry.info.outputs; ++j)
      heed_model_output(model.get(), entry.info.name, j, &entry.outputs[static_cast<size_t>(j)]);
    return entry;
  }
  throw CommandError("the model has no entry point '" + name + "'; it has " + known);
}

std::vector<heed_tensor> session_outputs(heed_session* session, const Entry& entry) {
  std::vector<heed_tensor> outputs = entry.outputs;
  for (heed_tensor& output : outputs) heed_session_tensor(session, output.index, &output);
  return outputs;
}

std::string tensor_text(const heed_tensor& tensor) {
  static const char* const kNames[] = {"float32", "int32",   "int64",   "int8",     "uint8",
                                       "bool",    "q8_rows", "q8_keys", "q8_values"};
  std::string text = std::string(kNames[tensor.type]) + " [";
  for (int32_t i = 0; i < tensor.rank; ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(tensor.dims[i]);
  return text + "]";
}

}  // namespace heed::cli
