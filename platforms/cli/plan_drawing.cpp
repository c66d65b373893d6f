#include "platforms/cli/plan_drawing.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "platforms/cli/commands.h"

namespace heed::cli {
namespace {

// The arena tensor that a tensor is or lies in; -1 for constants and state.
int32_t arena_root(const Model& model, int32_t index) {
  heed_tensor tensor{};
  while (index >= 0 && heed_model_tensor(model.get(), index, &tensor) == HEED_OK) {
    if (tensor.storage == HEED_ARENA) return index;
    if (tensor.storage != HEED_VIEW) return -1;
    index = tensor.parent;
  }
  return -1;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
  }
  return out;
}

// A hue that tells neighbours apart and stays the same for a name.
int hue_of(const std::string& name) {
  uint32_t hash = 2166136261u;
  for (unsigned char c : name) hash = (hash ^ c) * 16777619u;
  return static_cast<int>(hash % 360);
}

}  // namespace

Plan plan_of(const Model& model, const Entry& entry) {
  std::map<int32_t, std::pair<int32_t, int32_t>> used;
  const auto use = [&](int32_t index, int32_t op) {
    const int32_t root = arena_root(model, index);
    if (root < 0) return;
    auto& span = used.try_emplace(root, op, op).first->second;
    span = {std::min(span.first, op), std::max(span.second, op)};
  };
  const int32_t last = std::max(0, entry.info.ops - 1);
  for (const heed_tensor& tensor : entry.inputs) use(tensor.index, 0);
  for (int32_t op = 0; op < entry.info.ops; ++op) {
    heed_op info{};
    heed_model_op(model.get(), entry.info.name, op, &info);
    int32_t index = -1;
    for (int32_t i = 0; i < info.inputs; ++i)
      if (heed_model_op_input(model.get(), entry.info.name, op, i, &index) == HEED_OK)
        use(index, op);
    for (int32_t i = 0; i < info.outputs; ++i)
      if (heed_model_op_output(model.get(), entry.info.name, op, i, &index) == HEED_OK)
        use(index, op);
  }
  for (const heed_tensor& tensor : entry.outputs) use(tensor.index, last);
  Plan plan{{}, entry.info.arena_bytes, entry.info.ops};
  for (const auto& [index, span] : used) {
    heed_tensor tensor{};
    heed_model_tensor(model.get(), index, &tensor);
    plan.tensors.push_back(
        {tensor.name, tensor_text(tensor), tensor.offset, tensor.bytes, span.first, span.second});
  }
  std::sort(plan.tensors.begin(), plan.tensors.end(),
            [](const PlannedTensor& a, const PlannedTensor& b) {
              return a.first_op != b.first_op ? a.first_op < b.first_op : a.offset < b.offset;
            });
  return plan;
}

std::string plan_svg(const Plan& plan) {
  constexpr double kWidth = 1200, kHeight = 500, kLeft = 80, kTop = 30;
  const double per_op = kWidth / std::max(1, plan.ops);
  const double per_byte = kHeight / static_cast<double>(std::max<uint64_t>(1, plan.arena_bytes));
  char text[512];
  std::snprintf(text, sizeof text,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                "font-family=\"sans-serif\" font-size=\"12\">\n"
                "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
                "<text x=\"%.0f\" y=\"18\">%s of activations over %d ops</text>\n",
                kLeft + kWidth + 20, kTop + kHeight + 40, kLeft,
                size_text(static_cast<double>(plan.arena_bytes)).c_str(), plan.ops);
  std::string svg = text;
  for (const PlannedTensor& tensor : plan.tensors) {
    const double height = static_cast<double>(tensor.bytes) * per_byte;
    std::snprintf(text, sizeof text,
                  "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                  "fill=\"hsl(%d,55%%,70%%)\" stroke=\"#555\" stroke-width=\"0.4\">"
                  "<title>",
                  kLeft + tensor.first_op * per_op,
                  kTop + kHeight - static_cast<double>(tensor.offset) * per_byte - height,
                  (tensor.last_op - tensor.first_op + 1) * per_op, height, hue_of(tensor.name));
    svg += text + escaped(tensor.name) + ": " + escaped(tensor.type) + ", " +
           size_text(static_cast<double>(tensor.bytes)) + ", ops " +
           std::to_string(tensor.first_op) + " to " + std::to_string(tensor.last_op) +
           "</title></rect>\n";
  }
  for (int tick = 0; tick <= 4; ++tick) {
    const double part = tick / 4.0;
    std::snprintf(text, sizeof text,
                  "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n<text x=\"%.1f\" "
                  "y=\"%.0f\">op %.0f</text>\n",
                  kLeft - 6, kTop + kHeight * (1 - part) + 4,
                  size_text(static_cast<double>(plan.arena_bytes) * part).c_str(),
                  kLeft + kWidth * part * 0.97, kTop + kHeight + 18, plan.ops * part);
    svg += text;
  }
  return svg + "</svg>\n";
}

}  // namespace heed::cli
