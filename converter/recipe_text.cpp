#include "converter/recipe_text.h"

#include <cstdlib>

namespace heed {

std::string recipe_text(const ConvertOptions& options) {
  std::string text = "int8 per output, rows dynamic";
  if (options.activation_group != 0) text += "; group " + std::to_string(options.activation_group);
  for (const std::string& pattern : options.keep_float) text += "; keep-float " + pattern;
  if (options.min_snr_db > 0) text += "; min-snr " + std::to_string(options.min_snr_db);
  for (const auto& [input, dims] : options.shapes) {
    text += "; shape " + input + " ";
    for (size_t i = 0; i < dims.size(); ++i) {
      if (i > 0) text += 'x';
      text += std::to_string(dims[i]);
    }
  }
  for (const auto& [dim, size] : options.dims) text += "; dim " + dim + " " + std::to_string(size);
  for (const auto& [input, value] : options.constants)
    text += "; constant " + input + " " + std::to_string(value);
  if (options.keep_past > 0) text += "; keep-past " + std::to_string(options.keep_past);
  if (!options.target.empty()) text += "; target " + options.target;
  return text;
}

onnx::ImportOptions import_options_of(const std::string& recipe) {
  onnx::ImportOptions options;
  const std::string between = "; ";
  for (size_t begin = recipe.find(between); begin != std::string::npos;) {
    begin += between.size();
    const size_t end = recipe.find(between, begin);
    const std::string part = recipe.substr(begin, end == std::string::npos ? end : end - begin);
    begin = end;
    // "dim NAME SIZE": names may hold spaces.
    const size_t kind = part.find(' '), last = part.rfind(' ');
    if (kind == std::string::npos) continue;
    const std::string what = part.substr(0, kind), value = part.substr(last + 1);
    const std::string name = last > kind ? part.substr(kind + 1, last - kind - 1) : "";
    if (what == "dim") options.dims[name] = std::strtoll(value.c_str(), nullptr, 10);
    if (what == "constant") options.constants[name] = std::strtod(value.c_str(), nullptr);
    if (what == "keep-past") options.keep_past = std::strtoll(value.c_str(), nullptr, 10);
  }
  return options;
}

}  // namespace heed
