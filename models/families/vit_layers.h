#pragma once
// What ViT and the families built on it share.

#include "models/families/family.h"

namespace heed::families {

struct VitSizes {
  int64_t width, inner, layers, heads, channels;
  std::vector<int64_t> image, patch;
  double epsilon;
  std::string activation;
};
VitSizes read_vit_sizes(const Settings& config);

/// x = x + attention(LayerNorm(x));  x = x + W2 act(W1 LayerNorm(x))
ValueId vit_layer(Net& net, const std::string& name, const VitSizes& s, ValueId x);

}  // namespace heed::families
