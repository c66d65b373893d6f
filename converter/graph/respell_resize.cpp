// Resize: along each dimension that changes, every place of the output is a weighted sum of a few
// places of the input. Places and weights are known once the shapes are: a Gather for each tap.

#include <algorithm>
#include <cmath>
#include <optional>

#include "converter/graph/respell.h"
#include "converter/graph/speller.h"

namespace heed::graph {
namespace {

/// What a Resize says, whatever its opset.
struct ResizePlan {
  std::string mode, coordinates, nearest;
  float cubic_a;
  bool exclude_outside, antialias;
};

/// One dimension: `out` places over `in` places, `scale` apart.
struct ResizeAxis {
  int64_t in, out;
  float scale;
};

/// Input place and weight of every tap of every output place.
struct Taps {
  std::vector<std::vector<int64_t>> places;
  std::vector<std::vector<float>> weights;
};

float original_place(const ResizePlan& plan, const ResizeAxis& axis, int64_t place,
                     const Node& node) {
  const float x = static_cast<float>(place);
  const float half = (x + 0.5f) / axis.scale - 0.5f;
  if (plan.coordinates == "half_pixel") return half;
  if (plan.coordinates == "pytorch_half_pixel") return axis.out > 1 ? half : 0.0f;
  if (plan.coordinates == "asymmetric") return x / axis.scale;
  if (plan.coordinates == "tf_half_pixel_for_nn") return (x + 0.5f) / axis.scale;
  if (plan.coordinates == "align_corners") {
    if (axis.out == 1) return 0.0f;
    return x * static_cast<float>(axis.in - 1) / static_cast<float>(axis.out - 1);
  }
  if (plan.coordinates == "half_pixel_symmetric") {
    const float shrunk = static_cast<float>(axis.out) / (axis.scale * static_cast<float>(axis.in));
    return static_cast<float>(axis.in) / 2 * (1 - shrunk) + half;
  }
  no_other_words(node, "the coordinates '" + plan.coordinates + "' are not supported");
}

int64_t nearest_place(const ResizePlan& plan, float x, const Node& node) {
  if (plan.nearest == "round_prefer_floor") return static_cast<int64_t>(std::ceil(x - 0.5f));
  if (plan.nearest == "round_prefer_ceil") return static_cast<int64_t>(std::floor(x + 0.5f));
  if (plan.nearest == "floor") return static_cast<int64_t>(std::floor(x));
  if (plan.nearest == "ceil") return static_cast<int64_t>(std::ceil(x));
  no_other_words(node, "the rounding '" + plan.nearest + "' is not supported");
}

/// Keys' cubic: weight of a place at this distance.
double cubic_weight(double distance, double a) {
  const double d = std::fabs(distance);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0.0;
}

/// Linear and cubic: the places around x and their weights. A filter that smooths while it shrinks
/// is as many times wider.
void taps_around(const ResizePlan& plan, const ResizeAxis& axis, float x, std::vector<int64_t>& at,
                 std::vector<double>& weight) {
  const bool cubic = plan.mode == "cubic", smooths = plan.antialias && axis.scale < 1;
  const double stretch = smooths ? axis.scale : 1.0, reach = (cubic ? 2 : 1) / stretch;
  const auto first = static_cast<int64_t>(std::floor(x - reach)) + 1;
  const auto last = static_cast<int64_t>(std::ceil(x + reach)) - 1;
  double sum = 0;
  for (int64_t i = first; i <= last; ++i) {
    const double d = (static_cast<double>(i) - x) * stretch;
    double w = cubic ? cubic_weight(d, plan.cubic_a) : std::max(0.0, 1 - std::fabs(d));
    if (plan.exclude_outside && (i < 0 || i >= axis.in)) w = 0;
    at.push_back(std::clamp(i, int64_t{0}, axis.in - 1));
    weight.push_back(w);
    sum += w;
  }
  if (plan.exclude_outside || smooths) {
    for (double& w : weight) w /= sum;
  }
}

Taps taps_of(const ResizePlan& plan, const ResizeAxis& axis, const Node& node) {
  std::vector<std::vector<int64_t>> places(static_cast<size_t>(axis.out));
  std::vector<std::vector<double>> weights(places.size());
  size_t most = 0;
  for (size_t o = 0; o < places.size(); ++o) {
    const float x = original_place(plan, axis, static_cast<int64_t>(o), node);
    if (plan.mode == "nearest") {
      places[o] = {std::clamp(nearest_place(plan, x, node), int64_t{0}, axis.in - 1)};
      weights[o] = {1.0};
    } else {
      const float inside = std::clamp(x, 0.0f, static_cast<float>(axis.in - 1));
      const bool bounded = plan.mode == "linear" && !plan.antialias;
      taps_around(plan, axis, bounded ? inside : x, places[o], weights[o]);
    }
    most = std::max(most, places[o].size());
  }
  Taps taps{std::vector<std::vector<int64_t>>(most), std::vector<std::vector<float>>(most)};
  for (size_t o = 0; o < places.size(); ++o) {
    for (size_t i = 0; i < most; ++i) {
      const bool there = i < places[o].size();
      taps.places[i].push_back(there ? places[o][i] : 0);
      taps.weights[i].push_back(there ? static_cast<float>(weights[o][i]) : 0.0f);
    }
  }
  return taps;
}

ValueId resized_along(Speller& spell, ValueId x, size_t axis, size_t rank, const Taps& taps) {
  Shape along(rank, 1);
  along[axis] = static_cast<int64_t>(taps.places[0].size());
  ValueId sum = kNoValue;
  for (size_t i = 0; i < taps.places.size(); ++i) {
    const std::vector<float>& weights = taps.weights[i];
    if (std::all_of(weights.begin(), weights.end(), [](float w) { return w == 0.0f; })) continue;
    ValueId part = spell.node("Gather", {x, spell.integers(taps.places[i])},
                              {{"axis", static_cast<int64_t>(axis)}});
    if (std::any_of(weights.begin(), weights.end(), [](float w) { return w != 1.0f; })) {
      part = spell.node("Mul", {part, spell.floats(along, weights)});
    }
    sum = sum == kNoValue ? part : spell.node("Add", {sum, part});
  }
  return sum;
}

/// The elements of an operand that decide sizes: nothing where it is absent or empty.
const Constant* deciding(const Graph& graph, const Node& node, size_t i) {
  if (i >= node.inputs.size() || node.inputs[i] == kNoValue) return nullptr;
  const Constant* known = graph.constant(node.inputs[i]);
  if (known == nullptr) {
    no_other_words(node, "its sizes depend on the model's input",
                   "Export the model with static shapes");
  }
  return known->elements() == 0 ? nullptr : known;
}

/// What every dimension becomes.
std::vector<ResizeAxis> axes_of(const Graph& graph, const Node& node, bool legacy) {
  const Shape& shape = known_shape(graph, node.inputs[0]);
  const int64_t rank = static_cast<int64_t>(shape.size());
  std::vector<int64_t> listed = node.ints_or("axes", {});
  if (listed.empty()) {
    for (int64_t i = 0; i < rank; ++i) listed.push_back(i);
  }
  std::vector<ResizeAxis> axes;
  for (int64_t dim : shape) axes.push_back({dim, dim, 1.0f});
  const Constant* scales = deciding(graph, node, legacy ? 1 : 2);
  const Constant* sizes = legacy ? nullptr : deciding(graph, node, 3);
  const size_t given = sizes != nullptr ? sizes->i64.size() : scales ? scales->f32.size() : 0;
  if (given != listed.size()) no_other_words(node, "it has neither sizes nor scales that fit");
  if (sizes != nullptr && node.string_or("keep_aspect_ratio_policy", "stretch") != "stretch") {
    no_other_words(node, "sizes that keep the aspect ratio are not supported");
  }
  constexpr int64_t kSizeMax = 1 << 20;
  for (size_t i = 0; i < listed.size(); ++i) {
    const int64_t at = listed[i] < 0 ? listed[i] + rank : listed[i];
    if (at < 0 || at >= rank) no_other_words(node, "an axis is out of range");
    ResizeAxis& axis = axes[static_cast<size_t>(at)];
    if (sizes != nullptr) {
      axis.out = sizes->i64[i];
      axis.scale = static_cast<float>(axis.out) / static_cast<float>(axis.in);
    } else {
      axis.scale = scales->f32[i];
      if (!(axis.scale > 0 && axis.scale <= kSizeMax))
        no_other_words(node, "a size is out of range");
      axis.out = static_cast<int64_t>(std::floor(static_cast<float>(axis.in) * axis.scale));
    }
    if (axis.in < 1 || axis.in > kSizeMax || axis.out < 1 || axis.out > kSizeMax ||
        !(axis.scale > 0)) {
      no_other_words(node, "a size is out of range");
    }
  }
  return axes;
}

}  // namespace

bool respell_resize(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const bool legacy = node.is("Upsample") || (graph.opset != 0 && graph.opset < 11);
  const ResizePlan plan = {
      node.string_or("mode", "nearest"),
      node.string_or("coordinate_transformation_mode", legacy ? "asymmetric" : "half_pixel"),
      node.string_or("nearest_mode", legacy ? "floor" : "round_prefer_floor"),
      node.float_or("cubic_coeff_a", -0.75f),
      node.int_or("exclude_outside", 0) != 0,
      node.int_or("antialias", 0) != 0};
  if (plan.mode != "nearest" && plan.mode != "linear" && plan.mode != "cubic") {
    no_other_words(node, "the mode '" + plan.mode + "' is not supported");
  }
  const std::vector<ResizeAxis> axes = axes_of(graph, node, legacy);
  Speller spell(graph, id);
  ValueId x = node.inputs[0];
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].out == axes[i].in && axes[i].scale == 1.0f) continue;
    x = resized_along(spell, x, i, axes.size(), taps_of(plan, axes[i], node));
  }
  spell.finish(x);
  return true;
}

}  // namespace heed::graph
