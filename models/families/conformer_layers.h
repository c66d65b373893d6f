#pragma once
// The parts of a Conformer's block that its families share under names of their own.
//
//   attention with relative positions (Transformer-XL's):
//     scores[t,s] = ((q_t + u) k_s + (q_t + v) p_{t-s}) / sqrt(D), p_d = W sinusoids(d)
//     p is constant: (q + v) P^T is a layer over each head's queries, and row t of it, read from
//     column T-1-t on, is what is added to the scores.
//   convolution: x = pointwise2(act(norm(depthwise(glu(pointwise1(x))))))

#include <string>

#include "models/families/net.h"

namespace heed::families {

struct RelativeAttention {
  std::string query, key, value, out, position;  // layers
  std::string bias_u, bias_v;                    // tensors [heads, D]
  int64_t heads = 1;
};

/// x [1,T,width] -> the same shape. length: absent, or i64 [1]: how many of the frames are there.
ValueId relative_attention(Net& net, ValueId x, const RelativeAttention& names,
                           const std::string& name, ValueId length = kNoValue);

struct ConvModule {
  std::string pointwise1, depthwise, norm, pointwise2;
  std::string activation;
  int64_t kernel = 1;
};

/// x [1,T,width] -> the same shape. there: absent, or f32 [1,T,1], 0 where there is no frame.
ValueId conv_module(Net& net, ValueId x, const ConvModule& names, ValueId there = kNoValue);

}  // namespace heed::families
