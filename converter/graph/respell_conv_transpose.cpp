// ConvTranspose. Where its windows do not overlap, every pixel becomes a block of pixels: a matrix
// product. Else it is a Conv, with its kernel turned round, over the input with zeros between.

#include "converter/graph/respell.h"
#include "converter/graph/speller.h"

namespace heed::graph {
namespace {

/// One spatial dimension.
struct Spread {
  int64_t in, kernel, stride, dilation, before, after, out;
  int64_t reach() const { return dilation * (kernel - 1); }
};

std::vector<Spread> spreads_of(const Graph& graph, const Node& node) {
  const Shape &x = known_shape(graph, node.inputs[0]), &w = known_shape(graph, node.inputs[1]);
  if (x.size() < 3 || w.size() != x.size() || element_count(x) <= 0 || element_count(w) <= 0 ||
      w[0] != x[1]) {
    no_other_words(node, "its operands do not fit each other");
  }
  const size_t count = x.size() - 2;
  const std::vector<int64_t> ones(count, 1), zeros(2 * count, 0);
  const auto strides = node.ints_or("strides", ones), dilations = node.ints_or("dilations", ones);
  const auto pads = node.ints_or("pads", zeros), extra = node.ints_or("output_padding", zeros);
  const auto wanted = node.ints_or("output_shape", {});
  const bool fit = strides.size() == count && dilations.size() == count && extra.size() >= count &&
                   pads.size() == 2 * count && (wanted.empty() || wanted.size() >= count);
  if (!fit) no_other_words(node, "its attributes have not one entry per dimension");
  constexpr int64_t kSizeMax = 1 << 20;
  const auto in_range = [&](int64_t number) { return number >= -kSizeMax && number <= kSizeMax; };
  for (const auto* list : {&strides, &dilations, &extra, &pads, &wanted, &x, &w}) {
    if (!std::all_of(list->begin(), list->end(), in_range))
      no_other_words(node, "a stride, dilation, padding or size is out of range");
  }
  const std::string auto_pad = node.string_or("auto_pad", "NOTSET");
  std::vector<Spread> spreads;
  for (size_t i = 0; i < count; ++i) {
    Spread s{x[i + 2], w[i + 2], strides[i], dilations[i], 0, 0, 0};
    const int64_t full = s.stride * (s.in - 1) + extra[i] + s.reach() + 1;
    const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
    if (same || !wanted.empty()) {
      s.out = wanted.empty() ? s.in * s.stride : wanted[wanted.size() - count + i];
      const int64_t cut = std::max<int64_t>(0, full - s.out);
      s.before = auto_pad == "SAME_UPPER" ? cut / 2 : cut - cut / 2;
      s.after = cut - s.before;
    } else {
      if (auto_pad != "VALID") {
        s.before = pads[i];
        s.after = pads[count + i];
      }
      s.out = full - s.before - s.after;
    }
    const bool good = s.stride >= 1 && s.dilation >= 1 && s.kernel >= 1 && s.before >= 0 &&
                      s.after >= 0 && s.out >= 1 && s.out <= kSizeMax;
    if (!good) no_other_words(node, "a stride, dilation, padding or size is out of range");
    spreads.push_back(s);
  }
  return spreads;
}

/// x [B,C,..] as [B,..,C] rows, times [C, O*kernel..], and every row's block into its place.
ValueId by_blocks(Speller& spell, const Node& node, const Shape& shape, const Constant& w,
                  const std::vector<Spread>& spreads) {
  const int64_t spatial = static_cast<int64_t>(spreads.size()), channels = shape[1];
  const int64_t outputs = w.shape[1];
  std::vector<int64_t> last = {0};
  Shape rows = {shape[0]}, cut = {shape[0]}, joined = {shape[0], outputs};
  std::vector<int64_t> order = {0, spatial + 1};
  for (int64_t i = 0; i < spatial; ++i) {
    const Spread& s = spreads[static_cast<size_t>(i)];
    last.push_back(i + 2);
    rows.push_back(s.in);
    cut.push_back(s.in);
    order.push_back(1 + i);
    order.push_back(spatial + 2 + i);
    joined.push_back(s.out);
  }
  last.push_back(1);
  cut.push_back(outputs);
  for (const Spread& s : spreads) cut.push_back(s.kernel);
  Constant matrix;
  matrix.shape = {channels, w.elements() / channels};
  matrix.f32 = w.f32;
  const ValueId pixels = spell.transpose(node.inputs[0], last);
  ValueId y = spell.node("MatMul", {pixels, spell.constant(std::move(matrix))});
  y = spell.transpose(spell.reshape(y, cut), order);
  return spell.reshape(y, joined);
}

/// Zeros between the elements of each spatial dimension: `stride` apart.
ValueId spread_out(Speller& spell, ValueId x, const Shape& shape,
                   const std::vector<Spread>& spreads) {
  Shape apart = {shape[0], shape[1]}, joined = apart;
  std::vector<int64_t> after = {0, 0}, ends, axes;
  bool spreads_any = false;
  for (size_t i = 0; i < spreads.size(); ++i) {
    const Spread& s = spreads[i];
    apart.insert(apart.end(), {s.in, 1});
    after.insert(after.end(), {0, s.stride - 1});
    joined.push_back(s.in * s.stride);
    ends.push_back(s.in * s.stride - (s.stride - 1));
    axes.push_back(static_cast<int64_t>(i) + 2);
    spreads_any = spreads_any || s.stride > 1;
  }
  if (!spreads_any) return x;
  std::vector<int64_t> pads(after.size(), 0);
  pads.insert(pads.end(), after.begin(), after.end());
  ValueId y = spell.node("Pad", {spell.reshape(x, apart), spell.integers(pads)});
  y = spell.reshape(y, joined);
  const std::vector<int64_t> starts(axes.size(), 0);
  return spell.node("Slice",
                    {y, spell.integers(starts), spell.integers(ends), spell.integers(axes)});
}

/// [C, O/groups, kernel..] as a Conv has it: [O, C/groups, kernel..], the kernel turned round.
Constant turned_round(const Constant& w, int64_t groups) {
  const int64_t inputs = w.shape[0] / groups, outputs = w.shape[1];
  const int64_t taps = w.elements() / (w.shape[0] * outputs);
  Constant made;
  made.shape = w.shape;
  made.shape[0] = outputs * groups;
  made.shape[1] = inputs;
  for (int64_t o = 0; o < outputs * groups; ++o) {
    for (int64_t c = 0; c < inputs; ++c) {
      const int64_t from = ((o / outputs * inputs + c) * outputs + o % outputs) * taps;
      for (int64_t t = taps; t-- > 0;) made.f32.push_back(w.f32[static_cast<size_t>(from + t)]);
    }
  }
  return made;
}

ValueId by_conv(Speller& spell, const Node& node, const Shape& shape, const Constant& w,
                const std::vector<Spread>& spreads) {
  ValueId x = spread_out(spell, node.inputs[0], shape, spreads);
  std::vector<int64_t> before, after, starts, ends, axes, dilations;
  bool cuts = false;
  for (size_t i = 0; i < spreads.size(); ++i) {
    const Spread& s = spreads[i];
    const int64_t width = s.stride * (s.in - 1) + 1;
    const int64_t left = s.reach() - s.before;
    const int64_t right = s.out + s.reach() - width - left;  // output_padding is in `out`
    before.push_back(std::max<int64_t>(left, 0));
    after.push_back(std::max<int64_t>(right, 0));
    starts.push_back(std::max<int64_t>(-left, 0));
    ends.push_back(width - std::max<int64_t>(-right, 0));
    cuts = cuts || left < 0 || right < 0;
    axes.push_back(static_cast<int64_t>(i) + 2);
    dilations.push_back(s.dilation);
  }
  if (cuts) {
    x = spell.node("Slice",
                   {x, spell.integers(starts), spell.integers(ends), spell.integers(axes)});
  }
  std::vector<int64_t> pads = before;
  pads.insert(pads.end(), after.begin(), after.end());
  const int64_t groups = node.int_or("group", 1);
  std::vector<ValueId> inputs = {x, spell.constant(turned_round(w, groups))};
  return spell.node("Conv", inputs, {{"group", groups}, {"pads", pads}, {"dilations", dilations}});
}

}  // namespace

bool respell_conv_transpose(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const Constant* w = graph.constant(node.inputs.at(1));
  if (w == nullptr) no_other_words(node, "its weights are not constant");
  const Shape shape = known_shape(graph, node.inputs[0]);
  const int64_t groups = node.int_or("group", 1);
  if (shape.size() < 3 || w->shape.size() != shape.size() || w->shape[0] != shape[1] ||
      groups < 1 || shape[1] % groups != 0) {
    no_other_words(node, "its weights do not fit its input");
  }
  const std::vector<Spread> spreads = spreads_of(graph, node);
  const bool apart =
      groups == 1 && std::all_of(spreads.begin(), spreads.end(), [](const Spread& s) {
        return s.kernel == s.stride && s.dilation == 1 && s.before == 0 && s.after == 0 &&
               s.out == s.in * s.stride;
      });
  Speller spell(graph, id);
  ValueId y =
      apart ? by_blocks(spell, node, shape, *w, spreads) : by_conv(spell, node, shape, *w, spreads);
  if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
    Shape channel(shape.size() - 1, 1);
    channel[0] = w->shape[1] * groups;
    y = spell.node("Add", {y, spell.reshape(node.inputs[2], channel)});
  }
  spell.finish(y);
  return true;
}

}  // namespace heed::graph
