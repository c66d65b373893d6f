#include "converter/convert_report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace heed {
namespace {

using nlohmann::ordered_json;

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
std::string line(const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

std::string in_bytes(uint64_t bytes) {
  const std::string digits = std::to_string(bytes);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text + " bytes";
}

std::string entries_text(const ConvertReport& report) {
  std::string text;
  for (const EntryReport& entry : report.entries) {
    std::string ops;
    int32_t total = 0;
    for (const OpCount& count : entry.ops) {
      ops += (ops.empty() ? "" : ", ") + std::to_string(count.count) + " " + count.op;
      total += count.count;
    }
    text += line("entry point %s: %d nodes became %d ops: ", entry.name.c_str(),
                 entry.source_nodes, total) + ops + "\n";
    if (entry.arena_bytes > 0) {
      text += "  activations: " + in_bytes(entry.arena_bytes);
      if (entry.arena_lower_bound > 0) {
        text += line(" (%.1f %% above the least possible)",
                     100.0 * (static_cast<double>(entry.arena_bytes) /
                                  static_cast<double>(entry.arena_lower_bound) - 1.0));
      }
      text += "\n";
    }
  }
  return text;
}

std::string general_text(const ConvertReport& report) {
  if (report.general.empty()) return "";
  const size_t count = report.general.size();
  std::string text = std::to_string(count) +
                     (count == 1 ? " node runs as a general op" : " nodes run as general ops") +
                     ":\n";
  constexpr size_t kShown = 12;
  for (size_t i = 0; i < std::min(kShown, report.general.size()); ++i) {
    const GeneralNode& node = report.general[i];
    text += "  " + node.op + " '" + node.node + "'";
    text += node.why.empty() ? "\n" : ": " + node.why + "\n";
  }
  if (report.general.size() > kShown)
    text += line("  ... and %zu more\n", report.general.size() - kShown);
  return text;
}

std::string accuracy_text(const ConvertReport& report, size_t layers) {
  if (!report.measured) return "accuracy: not measured\n";
  std::string text = report.random_inputs
                         ? "accuracy against the float source, on random inputs (an indication; "
                           "give samples for figures that mean something):\n"
                         : "accuracy against the float source, on the samples given:\n";
  for (const OutputError& output : report.outputs) {
    text += line("  output %s: SNR %.1f dB, cosine %.6f, largest error %.3g", output.tensor.c_str(),
                 output.snr_db, output.cosine, output.max_abs);
    if (output.answers_kept >= 0)
      text += line(", %.1f %% of answers kept", 100 * output.answers_kept);
    text += line(" (%d samples)\n", output.samples);
  }
  const size_t shown = layers == 0 ? report.layers.size() : std::min(layers, report.layers.size());
  if (shown > 0) text += "  worst layers:\n";
  for (size_t i = 0; i < shown; ++i) {
    const LayerError& layer = report.layers[i];
    text += line("    %6.1f dB  %s  %s\n", layer.snr_db, layer.op.c_str(), layer.tensor.c_str());
  }
  return text;
}

ordered_json layers_json(const std::vector<LayerError>& layers) {
  ordered_json list = ordered_json::array();
  for (const LayerError& l : layers) {
    list.push_back({{"entry_point", l.entry_point}, {"tensor", l.tensor}, {"op", l.op},
                    {"snr_db", l.snr_db}, {"cosine", l.cosine}, {"max_abs", l.max_abs},
                    {"rms", l.rms}});
  }
  return list;
}

ordered_json outputs_json(const std::vector<OutputError>& outputs) {
  ordered_json list = ordered_json::array();
  for (const OutputError& o : outputs) {
    list.push_back({{"entry_point", o.entry_point}, {"tensor", o.tensor}, {"snr_db", o.snr_db},
                    {"cosine", o.cosine}, {"max_abs", o.max_abs},
                    {"answers_kept", o.answers_kept}, {"samples", o.samples}});
  }
  return list;
}

ordered_json entries_json(const ConvertReport& report) {
  ordered_json list = ordered_json::array();
  for (const EntryReport& entry : report.entries) {
    ordered_json ops = ordered_json::object();
    for (const OpCount& count : entry.ops) ops[count.op] = count.count;
    list.push_back({{"name", entry.name}, {"arena_bytes", entry.arena_bytes},
                    {"arena_lower_bound", entry.arena_lower_bound},
                    {"source_nodes", entry.source_nodes}, {"ops", ops}});
  }
  return list;
}

}  // namespace

std::string report_text(const ConvertReport& report, size_t layers) {
  std::string text;
  if (!report.dry_run.empty()) text += report.dry_run + "\n";
  if (!report.output.empty()) {
    text += report.output + ": " + in_bytes(report.file_bytes) +
            line(", %.3f of the source's %s\n",
                 static_cast<double>(report.file_bytes) /
                     static_cast<double>(std::max<uint64_t>(1, report.source_bytes)),
                 in_bytes(report.source_bytes).c_str());
    text += "memory to run it (one thread): " + in_bytes(report.memory_bytes) + "\n";
  }
  text += entries_text(report) + general_text(report);
  if (!report.output.empty()) text += accuracy_text(report, layers);
  for (const std::string& kept : report.kept_float) text += "kept in float32: " + kept + "\n";
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  return text;
}

std::string report_json(const ConvertReport& report) {
  ordered_json general = ordered_json::array();
  for (const GeneralNode& g : report.general) {
    general.push_back({{"entry_point", g.entry_point}, {"node", g.node}, {"op", g.op},
                       {"why", g.why}});
  }
  const ordered_json root = {{"output", report.output},
                             {"source_bytes", report.source_bytes},
                             {"file_bytes", report.file_bytes},
                             {"weight_bytes", report.weight_bytes},
                             {"memory_bytes", report.memory_bytes},
                             {"entry_points", entries_json(report)},
                             {"general", general},
                             {"measured", report.measured},
                             {"random_inputs", report.random_inputs},
                             {"outputs", outputs_json(report.outputs)},
                             {"layers", layers_json(report.layers)},
                             {"kept_float", report.kept_float},
                             {"notes", report.notes},
                             {"dry_run", report.dry_run}};
  return root.dump(2);
}

std::string errors_text(const std::vector<OutputError>& outputs,
                        const std::vector<LayerError>& layers, size_t count) {
  std::string text;
  for (const OutputError& o : outputs) {
    text += line("output %s/%s: SNR %.1f dB, cosine %.6f, largest error %.3g",
                 o.entry_point.c_str(), o.tensor.c_str(), o.snr_db, o.cosine, o.max_abs);
    text += o.answers_kept < 0 ? "\n" : line(", %.1f %% of answers kept\n", 100 * o.answers_kept);
  }
  text += "     SNR     cosine   largest error        rms  op          value\n";
  const size_t shown = count == 0 ? layers.size() : std::min(count, layers.size());
  for (size_t i = 0; i < shown; ++i) {
    const LayerError& l = layers[i];
    text += line("%8.1f  %.6f  %14.4g  %9.4g  %-10s  %s\n", l.snr_db, l.cosine, l.max_abs, l.rms,
                 l.op.c_str(), l.tensor.c_str());
  }
  return text;
}

std::string errors_json(const std::vector<OutputError>& outputs,
                        const std::vector<LayerError>& layers) {
  const ordered_json root = {{"outputs", outputs_json(outputs)}, {"layers", layers_json(layers)}};
  return root.dump(2);
}

}  // namespace heed
