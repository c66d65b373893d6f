#pragma once
// What every command that runs a model does first: open it, choose instruction set and threads.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "engine/heed.hpp"

namespace heed::cli {

/// --threads, --isa and --entry, as all running commands take them.
struct RunOptions {
  int32_t threads = 1;
  std::string isa = "native";
  std::string entry_point;  // empty: the first

  void add_to(CLI::App* command);
  /// Valid while this object lives.
  heed_options engine() const;
};

/// Throws CommandError with the engine's diagnosis when the file is no model.
Model open_model(const std::string& path);

/// An entry point with its inputs and outputs; an empty name means the first. Throws CommandError
/// naming those that there are.
struct Entry {
  heed_entry_point info{};
  std::vector<heed_tensor> inputs, outputs;
};
Entry find_entry(const Model& model, const std::string& name);

/// The outputs of an entry point with the memory that a session writes them to.
std::vector<heed_tensor> session_outputs(heed_session* session, const Entry& entry);

/// "float32 [1, 98, 40]"
std::string tensor_text(const heed_tensor& tensor);

}  // namespace heed::cli
