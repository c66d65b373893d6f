#include "converter/convert.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/fused_ops.h"
#include "converter/import_source.h"
#include "converter/lower.h"
#include "converter/measure.h"
#include "converter/onnx/past_to_state.h"
#include "converter/passes/pass.h"
#include "converter/plan/plan.h"
#include "converter/quantize/precision.h"
#include "converter/recipe_text.h"
#include "converter/task_json.h"
#include "converter/write/sha256.h"
#include "converter/write/write_model.h"
#include "engine/heed.hpp"
#include "engine/verify.h"

namespace heed {
namespace {

/// One source on its way through the pipeline.
struct Part {
  ConvertSource source;
  ImportedSource imported;  // its graph, folded, is the float truth
  graph::Graph fused;
  passes::PassReport passes;
  PrecisionPlan precision;
  std::set<std::string> general;  // names of nodes that became general ops
  std::vector<InputValues> samples;
};

/// Bytes where the engine can read them in place.
class AlignedBytes {
 public:
  explicit AlignedBytes(const std::vector<std::byte>& bytes)
      : memory_(std::make_unique<std::byte[]>(bytes.size() + kAlignment)), size_(bytes.size()) {
    void* at = memory_.get();
    size_t space = size_ + kAlignment;
    begin_ = static_cast<std::byte*>(std::align(kAlignment, size_, at, space));
    std::memcpy(begin_, bytes.data(), size_);
  }
  std::span<const std::byte> view() const { return {begin_, size_}; }

 private:
  std::unique_ptr<std::byte[]> memory_;
  std::byte* begin_;
  size_t size_;
};

[[noreturn]] void refused(const char* step, const Diagnostic& diagnostic) {
  throw ConvertError("the engine refuses the " + std::string(step) + ": " + diagnostic.text(), "",
                     "This is a fault of the converter, not of the model");
}

std::string file_sha256(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Sha256 sha;
  std::vector<char> chunk(1 << 20);
  while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || file.gcount() > 0)
    sha.update(chunk.data(), static_cast<size_t>(file.gcount()));
  return sha.hex();
}

void describe_source(const std::vector<Part>& parts, const ConvertOptions& options,
                     fb::ProvenanceT* provenance) {
  provenance->producer = std::string("heed ") + heed_version();
  provenance->recipe = recipe_text(options);
  const auto append = [](std::string& list, const std::string& item) {
    if (!list.empty()) list += " ";
    list += item;
  };
  std::set<std::string> sources, files;  // entry points of one folder share them
  for (const Part& part : parts) {
    if (!sources.insert(part.source.path).second) continue;
    std::filesystem::path path(part.source.path);
    append(provenance->source_name,
           (path.has_filename() ? path : path.parent_path()).filename().string());
    for (const std::string& file : part.imported.files) {
      append(provenance->source_sha256, file_sha256(file));
      provenance->source_bytes += std::filesystem::file_size(file);
    }
  }
}

void check_options(const std::vector<ConvertSource>& sources, const ConvertOptions& options) {
  if (sources.empty()) throw ConvertError("no source model was given");
  if (options.output.empty() && !options.dry_run) throw ConvertError("no output file was named");
  if (options.activation_group % 16 != 0)
    throw ConvertError("the activation group must be a multiple of 16");
  std::set<std::string> names;
  for (const ConvertSource& source : sources) {
    if (!names.insert(source.entry_point).second)
      throw ConvertError("two entry points are called '" + source.entry_point + "'");
    std::error_code error;
    if (!options.output.empty() && std::filesystem::equivalent(source.path, options.output, error))
      throw ConvertError("the output would replace the source", "file '" + source.path + "'");
  }
  static const std::set<std::string> kTargets = {"", "any", "x86", "arm"};
  if (kTargets.count(options.target) == 0)
    throw ConvertError("target '" + options.target + "' is unknown; known are any, x86, arm");
}

// --- report ------------------------------------------------------------------------------------

std::string op_label(const fb::OpT& op) {
  if (const auto* linear = op.options.AsLinearOptions())
    return linear->layout == fb::WeightLayout::k4n16 ? "linear int8" : "linear float";
  std::string name = fb::EnumNameOpOptions(op.options.type);  // "AttentionOptions"
  name.resize(name.size() - std::strlen("Options"));
  std::string label;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z' && !label.empty()) label += ' ';
    label += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return label;
}

std::vector<OpCount> count_ops(const fb::EntryPointT& entry) {
  std::vector<OpCount> counts;
  for (const auto& op : entry.ops) {
    const std::string label = op_label(*op);
    const auto found = std::find_if(counts.begin(), counts.end(),
                                    [&](const OpCount& count) { return count.op == label; });
    if (found == counts.end())
      counts.push_back({label, 1});
    else
      ++found->count;
  }
  std::stable_sort(counts.begin(), counts.end(),
                   [](const OpCount& a, const OpCount& b) { return a.count > b.count; });
  return counts;
}

/// Layers that stay float32, each with all places that run it with the same weights.
class KeptLayers {
 public:
  void add(const graph::Graph& graph, const graph::Node& node, const std::string& why) {
    const graph::Constant* weights = nullptr;
    for (size_t i = 0; i < node.inputs.size() && weights == nullptr; ++i)
      if (node.inputs[i] != graph::kNoValue) weights = graph.value(node.inputs[i]).constant.get();
    for (Layer& layer : layers_)
      if (weights != nullptr && layer.weights != nullptr && layer.why == why &&
          layer.weights->f32 == weights->f32 && !weights->f32.empty()) {
        ++layer.places;
        return;
      }
    layers_.push_back({node.name, why, weights, 1});
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> made;
    for (const Layer& layer : layers_)
      made.push_back(layer.name + " (" + layer.why + places(layer.places) + ")");
    return made;
  }

 private:
  struct Layer {
    std::string name, why;
    const graph::Constant* weights;
    int places;
  };
  static std::string places(int count) {
    return count > 1 ? ", in " + std::to_string(count) + " places" : "";
  }
  std::vector<Layer> layers_;
};

void describe_parts(const std::vector<Part>& parts, const FileModel& file, ConvertReport* report) {
  KeptLayers kept;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    EntryReport entry;
    entry.name = part.source.entry_point;
    entry.source_nodes = part.imported.nodes;
    entry.ops = count_ops(*file.model.entry_points[i]);
    report->entries.push_back(entry);
    for (const std::string& note : part.imported.notes) report->notes.push_back(note);
    for (const passes::GeneralNode& node : part.passes.general()) {
      if (part.general.count(node.node) != 0)
        report->general.push_back({entry.name, node.node, node.op, node.why});
    }
    for (const auto& [id, precision] : part.precision)
      if (!precision.int8) kept.add(part.fused, part.fused.node(id), precision.why);
  }
  report->kept_float = kept.lines();
}

// --- steps -------------------------------------------------------------------------------------

void import_and_fuse(const ConvertSource& source, const ConvertOptions& options, bool shared,
                     std::vector<Part>* parts) {
  for (ImportedSource& imported : import_source(
           source, {options.shapes, options.dims, options.constants, options.keep_past, shared})) {
    Part part;
    part.source = {source.path, imported.entry_point};
    part.imported = std::move(imported);
    part.fused = part.imported.graph;
    passes::run_passes(part.fused, part.passes);
    if (options.keep_past > 0) onnx::limit_to_present(part.fused);
    parts->push_back(std::move(part));
  }
}

/// The user's word, else what a source says of itself.
std::unique_ptr<fb::TaskT> choose_task(const std::vector<Part>& parts,
                                       const ConvertOptions& options) {
  if (!options.task_json.empty()) return read_task(options.task_json, options.task_folder);
  for (const Part& part : parts)
    if (part.imported.task != nullptr) return std::make_unique<fb::TaskT>(*part.imported.task);
  return nullptr;
}

/// A name that no source has is a slip.
void check_names(const std::vector<Part>& parts, const ConvertOptions& options) {
  const auto check_input = [&](const std::string& name, const char* what) {
    const bool known = std::any_of(parts.begin(), parts.end(), [&](const Part& part) {
      return part.imported.names.has_input(name);
    });
    if (!known)
      throw ConvertError(std::string(what) + " was given for '" + name + "', which no source has");
  };
  for (const auto& entry : options.shapes) check_input(entry.first, "a shape");
  for (const auto& entry : options.constants) check_input(entry.first, "a value");
  for (const auto& entry : options.dims) {
    const bool known = std::any_of(parts.begin(), parts.end(), [&](const Part& part) {
      return part.imported.names.has_dim(entry.first);
    });
    if (!known) throw ConvertError("no source leaves a dimension '" + entry.first + "' open");
  }
}

/// A pattern that keeps nothing is most likely a slip.
void check_patterns(const std::vector<Part>& parts, const ConvertOptions& options) {
  for (const std::string& pattern : options.keep_float) {
    bool used = false;
    for (const Part& part : parts) {
      const PrecisionPlan plan = choose_precision(part.fused, {{pattern}, {}, 0});
      for (const auto& [id, precision] : plan)
        used = used || precision.why == "kept by --keep-float";
    }
    if (!used) {
      throw ConvertError("--keep-float '" + pattern + "' matches no layer with weights", "",
                         "A dry run lists the layers' names");
    }
  }
}

FileModel lower_all(std::vector<Part>& parts, const PrecisionRules& rules) {
  FileModel file;
  file.model.version = kFormatVersion;
  file.model.provenance = std::make_unique<fb::ProvenanceT>();
  for (Part& part : parts) {
    part.precision = choose_precision(part.fused, rules);
    const auto general = lower(part.fused, part.source.entry_point, part.precision, file);
    part.general = {general.begin(), general.end()};
    file.model.entry_points.back()->shared_arena = part.imported.shared_arena;
  }
  drop_unused_tensors(file);
  return file;
}

void plan_all(FileModel& file, ConvertReport* report) {
  std::vector<PlanResult> results;
  Diagnostic diagnostic;
  if (plan_model(file.model, &results, &diagnostic) != Status::ok) refused("plan", diagnostic);
  for (size_t i = 0; i < results.size() && i < report->entries.size(); ++i) {
    report->entries[i].arena_bytes = results[i].arena_bytes;
    report->entries[i].arena_lower_bound = results[i].lower_bound;
  }
}

void load_samples(std::vector<Part>& parts, const ConvertOptions& options, ConvertReport* report,
                  fb::ProvenanceT* provenance) {
  report->random_inputs = options.samples.empty();
  std::string digest;
  for (Part& part : parts) {
    part.samples = report->random_inputs
                       ? random_inputs(part.imported.graph, options.seed, options.random_samples)
                       : load_inputs(part.imported.graph, options.samples, &digest);
  }
  provenance->samples_sha256 = digest;
}

void measure_all(const std::vector<Part>& parts, const std::vector<std::byte>& bytes,
                 ConvertReport* report) {
  std::vector<MeasuredEntry> entries;
  bool any = false;
  for (const Part& part : parts) {
    entries.push_back({&part.imported.graph, part.source.entry_point, part.samples});
    any = any || !part.samples.empty();
  }
  if (!any) return;
  const AlignedBytes aligned(bytes);
  Model model;
  Diagnostic diagnostic;
  if (model.open(aligned.view(), &diagnostic) != Status::ok) refused("file", diagnostic);
  Measurement measured = measure(model.get(), entries);
  report->measured = true;
  report->outputs = std::move(measured.outputs);
  report->layers = std::move(measured.layers);
}

void note_accuracy(const ConvertReport& report, fb::ProvenanceT* provenance) {
  if (!report.measured || report.outputs.empty()) return;
  auto accuracy = std::make_unique<fb::AccuracyT>();
  accuracy->answers_kept = -1;
  accuracy->output_snr_db = static_cast<float>(report.outputs.front().snr_db);
  for (const OutputError& output : report.outputs) {
    accuracy->output_snr_db = std::min(accuracy->output_snr_db, static_cast<float>(output.snr_db));
    if (accuracy->answers_kept < 0)
      accuracy->answers_kept = static_cast<float>(output.answers_kept);
    accuracy->samples = std::max(accuracy->samples, static_cast<uint32_t>(output.samples));
  }
  if (!report.layers.empty()) {
    accuracy->worst_layer = report.layers.front().tensor;
    accuracy->worst_layer_snr_db = static_cast<float>(report.layers.front().snr_db);
  }
  provenance->accuracy = std::move(accuracy);
}

/// Writes beside, opens what was written as any user would, then moves it into place.
void write_file(FileModel& file, ConvertReport* report, const std::string& path) {
  const std::vector<std::byte> bytes = serialize(file);
  FileBeside beside(path, bytes);
  {
    Model model;
    Diagnostic diagnostic;
    if (model.open(beside.temporary().c_str(), &diagnostic) != Status::ok)
      refused("written file", diagnostic);
    size_t needed = 0;
    if (model.memory_needed({}, &needed, &diagnostic) != Status::ok)
      refused("written file", diagnostic);
    report->memory_bytes = needed;
  }
  beside.keep();
  report->output = path;
  report->file_bytes = bytes.size();
  report->weight_bytes = file.blobs().size();
}

double worst_output_snr(const ConvertReport& report) {
  double worst = kExactSnr;
  for (const OutputError& output : report.outputs) worst = std::min(worst, output.snr_db);
  return worst;
}

/// Whether a stored tensor is what the op of a node makes: its output, or that of the residual add
/// or norm that its epilogue took along.
bool makes(const graph::Graph& graph, const graph::Node& node, const std::string& tensor) {
  if (graph.value(node.outputs[0]).name == tensor) return true;
  const auto& users = graph.value(node.outputs[0]).users;
  return std::any_of(users.begin(), users.end(), [&](graph::NodeId id) {
    const graph::Node& user = graph.node(id);
    return (user.is("Norm", graph::kFusedDomain) || user.is("Add")) &&
           graph.value(user.outputs[0]).name == tensor;
  });
}

/// Layers whose own output is worst and that are int8 still: the next to be kept float.
std::vector<std::string> worst_int8_layers(const std::vector<Part>& parts,
                                           const ConvertReport& report, size_t count) {
  std::vector<std::string> names;
  for (const LayerError& layer : report.layers) {
    for (const Part& part : parts) {
      if (part.source.entry_point != layer.entry_point) continue;
      for (const auto& [id, precision] : part.precision) {
        const graph::Node& node = part.fused.node(id);
        if (precision.int8 && names.size() < count && makes(part.fused, node, layer.tensor))
          names.push_back(node.name);
      }
    }
  }
  return names;
}

/// Lowers, plans and measures; with an accuracy budget again and again, each time with a few more
/// of the worst layers in float32.
FileModel lower_within_budget(std::vector<Part>& parts, const ConvertOptions& options,
                              ConvertReport* report) {
  PrecisionRules rules{options.keep_float, {}, options.activation_group};
  const ConvertReport start = *report;
  auto provenance = std::make_unique<fb::ProvenanceT>();
  describe_source(parts, options, provenance.get());
  load_samples(parts, options, report, provenance.get());
  for (;;) {
    FileModel file = lower_all(parts, rules);
    *file.model.provenance = fb::ProvenanceT(*provenance);
    *report = start;
    report->source_bytes = provenance->source_bytes;
    report->random_inputs = options.samples.empty();
    describe_parts(parts, file, report);
    plan_all(file, report);
    file.model.task = choose_task(parts, options);
    measure_all(parts, serialize(file), report);
    note_accuracy(*report, file.model.provenance.get());
    if (options.min_snr_db <= 0 || !report->measured) return file;
    if (worst_output_snr(*report) >= options.min_snr_db) return file;
    const size_t before = rules.budget_float.size();
    for (const std::string& name : worst_int8_layers(parts, *report, 1 + before / 4))
      rules.budget_float.insert(name);
    if (rules.budget_float.size() == before) {
      report->notes.push_back(
          "the accuracy budget is not met though every layer that can be is "
          "kept in float32");
      return file;
    }
  }
}

}  // namespace

ConvertReport convert(const std::vector<ConvertSource>& sources, const ConvertOptions& options) {
  check_options(sources, options);
  std::vector<Part> parts;
  for (const ConvertSource& source : sources)
    import_and_fuse(source, options, sources.size() > 1, &parts);
  check_names(parts, options);
  check_patterns(parts, options);

  ConvertReport report;
  if (options.dry_run) {
    for (const Part& part : parts) report.dry_run += part.passes.text();
    const FileModel file = lower_all(parts, {options.keep_float, {}, options.activation_group});
    describe_parts(parts, file, &report);
    return report;
  }
  FileModel file = lower_within_budget(parts, options, &report);
  write_file(file, &report, options.output);
  return report;
}

ConvertReport convert(const std::string& onnx_path, const ConvertOptions& options) {
  return convert({ConvertSource{onnx_path, "main"}}, options);
}

}  // namespace heed
