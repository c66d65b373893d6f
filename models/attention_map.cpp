#include "models/attention_map.h"

#include <algorithm>
#include <charconv>

#include "engine/heed.hpp"

namespace heed {
namespace {

constexpr int32_t kTokensBeforeMax = 2;  // class and distillation tokens

bool read_number(std::string_view text, int32_t* number) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *number);
  return result.ec == std::errc() && result.ptr == end && *number >= 0;
}

/// The grid of `cells` squares over a picture whose sides are whole numbers of them, or, where
/// `cut`, with a part of one left over or filled up.
TokenGrid grid_of(int32_t cells, int32_t width, int32_t height, bool cut) {
  for (int32_t side = 1; cells > 0 && side <= std::max(width, height); ++side) {
    const bool even = width % side == 0 && height % side == 0;
    if (!cut && !even) continue;
    const auto fits = [&](int32_t rows, int32_t columns) {
      return rows > 0 && columns > 0 && int64_t{rows} * columns == cells;
    };
    const int32_t rows = height / side, columns = width / side;
    if (fits(rows, columns)) return {0, rows, columns};
    const int32_t more_rows = (height + side - 1) / side, more = (width + side - 1) / side;
    if (cut && fits(more_rows, more)) return {0, more_rows, more};
  }
  return {};
}

}  // namespace

bool read_attention_choice(std::string_view text, AttentionChoice* choice) {
  choice->layer = choice->head = -1;
  if (text == "cls") {
    choice->of = AttentionChoice::Of::class_token;
    return true;
  }
  if (text == "rollout") {
    choice->of = AttentionChoice::Of::rollout;
    return true;
  }
  choice->of = AttentionChoice::Of::layer;
  const size_t comma = text.find(',');
  if (comma == std::string_view::npos) return read_number(text, &choice->layer);
  return read_number(text.substr(0, comma), &choice->layer) &&
         read_number(text.substr(comma + 1), &choice->head);
}

TokenGrid picture_grid(int32_t keys, int32_t width, int32_t height, int32_t asked) {
  if (keys == asked) return {};  // they look at each other
  for (const bool cut : {false, true})
    for (const int32_t after : {0, asked})
      for (int32_t before = 0; before <= kTokensBeforeMax; ++before) {
        TokenGrid grid = grid_of(keys - before - after, width, height, cut);
        grid.before = before;
        if (grid.rows > 0) return grid;
      }
  return {};
}

TokenGrid sound_grid(int32_t keys, int32_t frames) {
  const bool token = keys > 1 && frames % keys != 0 && frames % (keys - 1) == 0;
  return {token ? 1 : 0, 1, token ? keys - 1 : keys};
}

bool AttentionMap::tap(const heed_model& model, heed_session* session, const char* entry_point,
                       const AttentionChoice& choice, std::string* error) {
  choice_ = choice;
  layers_.clear();
  std::vector<heed_attention> all;
  for (heed_attention found;
       heed_model_attention(&model, entry_point, static_cast<int32_t>(all.size()), &found) ==
       HEED_OK;)
    all.push_back(found);
  const auto count = static_cast<int32_t>(all.size());
  if (count == 0) return *error = "the model has no attention layer", false;
  const int32_t last = choice.layer < 0 ? count - 1 : choice.layer;
  if (last >= count)
    return *error = "the model has attention layers 0 to " + std::to_string(count - 1), false;
  const heed_attention& top = all[static_cast<size_t>(last)];
  if (choice.head >= top.heads)
    return *error = "the layer has heads 0 to " + std::to_string(top.heads - 1), false;
  if (choice.query >= top.queries)
    return *error = "the layer has queries 0 to " + std::to_string(top.queries - 1) +
                    (top.first_query < 0 ? "" : ": nothing reads the answers of others"),
           false;
  for (int32_t i = 0; i <= last; ++i) {
    const heed_attention& one = all[static_cast<size_t>(i)];
    const bool through = choice.of == AttentionChoice::Of::rollout && one.queries == top.keys &&
                         one.keys == top.keys && one.batch == top.batch;
    if (i == last || through) layers_.push_back({one, i, {}});
  }
  for (Layer& layer : layers_) {
    const heed_attention& a = layer.attention;
    layer.map.resize(static_cast<size_t>(choice.head < 0 ? a.heads : 1) *
                     static_cast<size_t>(a.batch) * static_cast<size_t>(a.queries) *
                     static_cast<size_t>(a.keys));
    Diagnostic diagnostic;
    if (heed_attention_tap(session, entry_point, a.op, choice.head, layer.map.data(),
                           layer.map.size() * sizeof(float), &diagnostic) != HEED_OK)
      return *error = diagnostic.text(), false;
  }
  return true;
}

/// from [batch, queries] -> [batch, keys]: from * mean of the heads, rows summing to 1.
std::vector<float> AttentionMap::step(const Layer& layer, const std::vector<float>& from) const {
  const auto batch = static_cast<size_t>(layer.attention.batch);
  const auto queries = static_cast<size_t>(layer.attention.queries);
  const auto keys = static_cast<size_t>(layer.attention.keys);
  const size_t heads = layer.map.size() / (batch * queries * keys);
  std::vector<float> to(batch * keys, 0.0f), row(keys);
  for (size_t b = 0; b < batch; ++b)
    for (size_t q = 0; q < queries; ++q) {
      const float part = from[b * queries + q];
      if (part == 0) continue;
      std::fill(row.begin(), row.end(), 0.0f);
      float sum = 0;
      for (size_t h = 0; h < heads; ++h) {
        const float* map = layer.map.data() + ((b * heads + h) * queries + q) * keys;
        for (size_t k = 0; k < keys; ++k) row[k] += map[k], sum += map[k];
      }
      const float scale = sum > 0 ? part / sum : 0;
      for (size_t k = 0; k < keys; ++k) to[b * keys + k] += scale * row[k];
    }
  return to;
}

std::vector<float> AttentionMap::weights(std::span<const int32_t> queries) const {
  const auto batch = static_cast<size_t>(attention().batch);
  const auto count = static_cast<size_t>(attention().queries);
  const auto keys = static_cast<size_t>(attention().keys);
  const size_t chosen = queries.empty() ? count : queries.size();
  const float each = 1.0f / static_cast<float>(batch * chosen);
  std::vector<float> from(batch * count, queries.empty() ? each : 0.0f);
  for (size_t b = 0; b < batch; ++b)
    for (const int32_t q : queries) from[b * count + static_cast<size_t>(q)] += each;
  for (size_t i = layers_.size(); i-- > 0;) {
    std::vector<float> to = step(layers_[i], from);
    const heed_attention& a = layers_[i].attention;
    // Queries at other tokens than the keys have no path beside attention.
    const int32_t first = a.queries == a.keys ? 0 : a.first_query;
    if (choice_.of == AttentionChoice::Of::rollout && first >= 0) {
      for (float& weight : to) weight *= 0.5f;
      for (int32_t b = 0; b < a.batch; ++b)
        for (int32_t q = 0; q < a.queries; ++q)
          to[static_cast<size_t>(b * a.keys + first + q)] +=
              0.5f * from[static_cast<size_t>(b * a.queries + q)];
    }
    from = std::move(to);
  }
  std::vector<float> whole(keys, 0.0f);
  for (size_t i = 0; i < from.size(); ++i) whole[i % keys] += from[i];
  return whole;
}

std::string AttentionMap::text() const {
  const auto number = [](size_t n) { return std::to_string(n); };
  if (choice_.of == AttentionChoice::Of::rollout)
    return "rollout of " + number(layers_.size()) + " layers";
  const std::string layer = "layer " + std::to_string(layers_.back().index);
  if (choice_.head >= 0) return layer + ", head " + std::to_string(choice_.head);
  if (attention().heads == 1) return layer;
  return layer + ", mean of " + std::to_string(attention().heads) + " heads";
}

}  // namespace heed
