// Fused int8 attention. "+ pack" packs keys and values and runs all query rows of all heads; the
// row without it finds them packed. "cache": one query over int8 keys and values where they lie, as
// a decoder's step does, next to a plain read of them.

#include <algorithm>
#include <cmath>

#include "ops/attention/attention.h"
#include "ops/cached_attention/cached_attention.h"
#include "tests/bench/int8_peak.h"
#include "tests/bench/race.h"
#include "tests/support/seeded_random.h"

namespace heed::bench {
namespace {

struct Shape {
  int32_t queries;
  int32_t keys;
  int32_t heads;
  int32_t width;
  bool causal;
  int32_t layers = 1;  // so many in turn: a second cache then holds none for the next step
};
constexpr Shape kShapes[] = {{99, 99, 1, 64, false},     {99, 99, 3, 64, false},
                             {197, 197, 3, 64, false},   {128, 128, 12, 32, false},
                             {1500, 1500, 6, 64, false}, {448, 448, 6, 64, true}};
constexpr Shape kCaches[] = {{1, 1500, 6, 64, false},    {1, 448, 6, 64, false},
                             {1, 2048, 4, 128, false},   {1, 1500, 6, 64, false, 16},
                             {1, 448, 6, 64, false, 48}, {1, 2048, 4, 128, false, 8}};

std::string text(const Shape& s) {
  return std::to_string(s.queries) + "x" + std::to_string(s.keys) + "/" + std::to_string(s.heads) +
         " D=" + std::to_string(s.width) + (s.causal ? " causal" : "") +
         (s.layers > 1 ? " of " + std::to_string(s.layers) : "");
}

// Rows as a merged QKV layer leaves them: [queries or keys][3 * heads * width].
class Layer {
 public:
  explicit Layer(const Shape& s)
      : shape_(s),
        step_(ptrdiff_t{3} * s.heads * s.width),
        rows_(static_cast<size_t>(std::max(s.queries, s.keys) * step_)),
        y_(static_cast<size_t>(s.queries * s.heads * s.width)),
        keys_bytes_(attention_keys_bytes(s.keys, s.width)),
        values_bytes_(attention_values_bytes(s.keys, s.width)),
        keys_(keys_bytes_ * static_cast<size_t>(s.heads)),
        values_(values_bytes_ * static_cast<size_t>(s.heads)),
        scratch_(attention_scratch_bytes(s.keys, s.width)) {
    test::SeededRandom random(1);
    for (float& x : rows_.span()) x = 1.4f * random.normal();
  }

  double packed_bytes() const {
    return static_cast<double>(shape_.heads) * static_cast<double>(keys_bytes_ + values_bytes_);
  }

  void pack(const AttentionKernel& kernel) {
    for (int32_t h = 0; h < shape_.heads; ++h) {
      kernel.pack_keys({column(1, h), step_, shape_.keys, shape_.width}, true, keys(h));
      kernel.pack_values({column(2, h), step_, shape_.keys, shape_.width}, values(h));
    }
  }

  void run(const AttentionKernel& kernel) {
    AttentionArgs args = {};
    args.q_step = step_;
    args.rows = shape_.queries;
    args.keys = shape_.keys;
    args.head_width = args.value_width = shape_.width;
    args.scale = 1.0f / std::sqrt(static_cast<float>(shape_.width));
    args.causal = shape_.causal;
    args.y_step = shape_.heads * shape_.width;
    for (int32_t h = 0; h < shape_.heads; ++h) {
      args.q = column(0, h);
      args.packed_keys = keys(h);
      args.packed_values = values(h);
      args.y = y_.data() + h * shape_.width;
      kernel.run(args, scratch_.data());
    }
  }

 private:
  const float* column(int32_t part, int32_t head) {
    return rows_.data() + (part * shape_.heads + head) * shape_.width;
  }
  char* keys(int32_t h) { return keys_.data() + keys_bytes_ * static_cast<size_t>(h); }
  char* values(int32_t h) { return values_.data() + values_bytes_ * static_cast<size_t>(h); }

  Shape shape_;
  ptrdiff_t step_;
  Buffer<float> rows_, y_;
  size_t keys_bytes_, values_bytes_;
  Buffer<char> keys_, values_, scratch_;
};

void attention(const Shape& s, Race* race) {
  Layer layer(s);
  const double floats = 1.0 * s.heads * s.width;
  Work work = {"attention", text(s)};
  // A causal square skips the half above its diagonal.
  work.multiply_adds = 2.0 * s.queries * s.keys * floats * (s.causal ? 0.5 : 1.0);
  work.bytes_read = 4 * floats * s.queries + layer.packed_bytes();
  work.bytes_written = 4 * floats * s.queries;
  work.int8 = true;
  std::vector<Contender> contenders;
  const AttentionKernelList list = attention_kernels();
  for (size_t i = 0; i < list.count; ++i) {
    const AttentionKernel* kernel = list.items[i];
    if (!race->enters(work, kernel->name, kernel->isa)) continue;
    const double peak = int8_peak(kernel->name);
    contenders.push_back({kernel->name, [&layer, kernel] { layer.run(*kernel); }, peak});
    contenders.push_back({std::string(kernel->name) + " + pack",
                          [&layer, kernel] { layer.pack(*kernel), layer.run(*kernel); }, peak});
  }
  if (contenders.empty()) return;
  layer.pack(*list.items[list.count - 1]);  // the same bytes on every ISA
  race->run(work, contenders);
}

void cache(const Shape& s, Race* race) {
  const auto width = static_cast<size_t>(s.width), heads = static_cast<size_t>(s.heads);
  const size_t keys =
      (static_cast<size_t>(s.keys) + kCachedPanelRows - 1) / kCachedPanelRows * kCachedPanelRows;
  const size_t panels = static_cast<size_t>(s.layers) * heads;
  Buffer<int8_t> k(panels * keys * width), v(panels * keys * width);
  Buffer<float> k_scale(panels * keys), v_scale(panels * keys);
  Buffer<float> q(heads * width), y(heads * width), p(keys);
  Buffer<char> scratch(cached_attention_scratch_bytes(s.keys));
  test::SeededRandom random(2);
  for (auto* rows : {&k, &v})
    for (int8_t& x : rows->span()) x = static_cast<int8_t>(random.integer(-127, 127));
  for (auto* scales : {&k_scale, &v_scale})
    for (float& x : scales->span()) x = 0.01f;
  for (float& x : q.span()) x = random.normal();
  Work work = {"attention", text(s) + " cache"};
  work.bytes_read = 2.0 * static_cast<double>(panels) * s.keys * (s.width + 4.0);
  const auto panel = [&](Buffer<int8_t>& rows, Buffer<float>& scales, size_t i) {
    return CachedPanel{rows.data() + i * keys * width, scales.data() + i * keys};
  };
  std::vector<Contender> contenders;
  const CachedAttentionKernelList list = cached_attention_kernels();
  for (size_t i = 0; i < list.count; ++i) {
    const CachedAttentionKernel* kernel = list.items[i];
    if (!race->enters(work, kernel->name, kernel->isa)) continue;
    contenders.push_back({kernel->name, [&, kernel] {
                            for (size_t n = 0; n < panels; ++n) {
                              const size_t at = n % heads * width;
                              kernel->run({q.data() + at, panel(k, k_scale, n),
                                           panel(v, v_scale, n), 0, s.keys, s.width, s.width,
                                           0.125f, nullptr, y.data() + at, p.data()},
                                          scratch.data());
                            }
                          }});
  }
  if (!contenders.empty()) race->run(work, contenders);
}

}  // namespace

void race_attention(Race* race) {
  for (const Shape& shape : kShapes) attention(shape, race);
  for (const Shape& shape : kCaches) cache(shape, race);
}

}  // namespace heed::bench
