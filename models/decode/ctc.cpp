#include "models/decode/ctc.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace heed {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  const double top = std::max(a, b);
  return top == kNever ? kNever : top + std::log1p(std::exp(std::min(a, b) - top));
}

uint64_t hash_with(uint64_t hash, int32_t label) {
  hash = (hash ^ static_cast<uint64_t>(label + 1)) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

}  // namespace

size_t ctc_greedy(const float* log_probabilities, size_t frames, size_t labels, int32_t blank,
                  int32_t* out, int32_t* first_frames) {
  size_t count = 0;
  int32_t before = blank;
  for (size_t f = 0; f < frames; ++f) {
    const float* row = log_probabilities + f * labels;
    const int32_t label = static_cast<int32_t>(std::max_element(row, row + labels) - row);
    if (label != blank && label != before) {
      if (first_frames != nullptr) first_frames[count] = static_cast<int32_t>(f);
      out[count++] = label;
    }
    before = label;
  }
  return count;
}

void CtcBeam::create(size_t width, size_t labels, size_t frames_max, size_t tokens_max) {
  width_ = width;
  labels_ = labels;
  tokens_max_ = std::min(tokens_max, frames_max);
  // Each of the width prefixes keeps at most its own path alive, and one frame grows width more.
  nodes_.assign(width * (tokens_max_ + 2) + 1, {});
  beam_.assign(width, {});
  next_.assign(width * (labels + 1), {});
  best_.assign(width * (labels + 1), 0);
  out_.assign(tokens_max_, 0);
}

double CtcBeam::total(const Prefix& prefix) const { return log_add(prefix.blank, prefix.label); }

CtcBeam::Prefix* CtcBeam::find(int32_t node, int32_t grown_by) {
  for (size_t i = 0; i < next_size_; ++i)
    if (next_[i].node == node && next_[i].grown_by == grown_by) return &next_[i];
  return nullptr;
}

void CtcBeam::add(int32_t node, int32_t grown_by, double blank, double label) {
  // What a prefix grows into may be in the beam by itself: then it is that node.
  if (grown_by >= 0) {
    const Node& above = nodes_[static_cast<size_t>(node)];
    const uint64_t hash = hash_with(above.hash, grown_by);
    for (size_t i = 0; i < beam_size_; ++i) {
      const Node& other = nodes_[static_cast<size_t>(beam_[i].node)];
      if (other.hash != hash || other.length != above.length + 1) continue;
      node = beam_[i].node;
      grown_by = -1;
      break;
    }
  }
  Prefix* prefix = grown_by < 0 ? find(node, -1) : nullptr;
  if (prefix == nullptr) {
    next_[next_size_++] = {node, blank, label, grown_by};
    return;
  }
  prefix->blank = log_add(prefix->blank, blank);
  prefix->label = log_add(prefix->label, label);
}

void CtcBeam::grow(const Prefix& prefix, const float* row, int32_t blank) {
  const Node node = nodes_[static_cast<size_t>(prefix.node)];
  const double all = total(prefix);
  const double repeated =
      node.label < 0 ? kNever
                     : prefix.label + static_cast<double>(row[static_cast<size_t>(node.label)]);
  add(prefix.node, -1, all + static_cast<double>(row[blank]), repeated);
  if (static_cast<size_t>(node.length) == tokens_max_) return;
  for (size_t c = 0; c < labels_; ++c) {
    const int32_t label = static_cast<int32_t>(c);
    if (label == blank || row[c] == -std::numeric_limits<float>::infinity()) continue;
    // The same label again needs a blank between.
    const double from = label == node.label ? prefix.blank : all;
    if (from != kNever) add(prefix.node, label, kNever, from + static_cast<double>(row[c]));
  }
}

int32_t CtcBeam::child(int32_t parent, int32_t label) {
  const int32_t index = free_;
  Node& node = nodes_[static_cast<size_t>(index)];
  free_ = node.parent;
  Node& above = nodes_[static_cast<size_t>(parent)];
  ++above.uses;
  node = {parent, label, above.length + 1, 0, hash_with(above.hash, label)};
  return index;
}

void CtcBeam::release(int32_t node) {
  while (node >= 0 && --nodes_[static_cast<size_t>(node)].uses == 0) {
    const int32_t parent = nodes_[static_cast<size_t>(node)].parent;
    nodes_[static_cast<size_t>(node)] = {free_, -1, 0, 0, 0};
    free_ = node;
    node = parent;
  }
}

CtcBeam::Result CtcBeam::search(const float* log_probabilities, size_t frames, int32_t blank) {
  for (size_t i = 1; i < nodes_.size(); ++i)
    nodes_[i] = {i + 1 < nodes_.size() ? static_cast<int32_t>(i) + 1 : -1, -1, 0, 0, 0};
  free_ = 1;
  nodes_[0] = {-1, -1, 0, 2, 0};  // the empty prefix; the second use keeps it for ever
  beam_[0] = {0, 0.0, kNever, -1};
  beam_size_ = 1;
  for (size_t f = 0; f < frames; ++f) {
    next_size_ = 0;
    for (size_t i = 0; i < beam_size_; ++i) grow(beam_[i], log_probabilities + f * labels_, blank);
    const size_t kept = std::min(width_, next_size_);
    for (size_t i = 0; i < next_size_; ++i) best_[i] = static_cast<int32_t>(i);
    std::partial_sort(best_.begin(), best_.begin() + static_cast<ptrdiff_t>(kept),
                      best_.begin() + static_cast<ptrdiff_t>(next_size_),
                      [this](int32_t a, int32_t b) {
                        const double x = total(next_[static_cast<size_t>(a)]),
                                     y = total(next_[static_cast<size_t>(b)]);
                        return x > y || (x == y && a < b);
                      });
    // What stays is held before anything goes, so that no node that is needed is freed.
    for (size_t i = 0; i < kept; ++i) {
      Prefix& prefix = next_[static_cast<size_t>(best_[i])];
      if (prefix.grown_by >= 0) prefix.node = child(prefix.node, prefix.grown_by);
      prefix.grown_by = -1;
      ++nodes_[static_cast<size_t>(prefix.node)].uses;
    }
    for (size_t i = 0; i < beam_size_; ++i) release(beam_[i].node);
    for (size_t i = 0; i < kept; ++i) beam_[i] = next_[static_cast<size_t>(best_[i])];
    beam_size_ = kept;
  }
  size_t top = 0;
  for (size_t i = 1; i < beam_size_; ++i)
    if (total(beam_[i]) > total(beam_[top])) top = i;
  const int32_t end = beam_[top].node;
  const size_t length = static_cast<size_t>(nodes_[static_cast<size_t>(end)].length);
  size_t at = length;
  for (int32_t node = end; at > 0; node = nodes_[static_cast<size_t>(node)].parent)
    out_[--at] = nodes_[static_cast<size_t>(node)].label;
  return {{out_.data(), length}, total(beam_[top])};
}

}  // namespace heed
