#pragma once
// The families of rules that op_rules.cpp joins to the one table.

#include <span>

#include "converter/graph/op_rules.h"

namespace heed::graph {

std::span<const OpRule> unary_rules();       // rules_unary.cpp: one operand, element by element
std::span<const OpRule> binary_rules();      // rules_binary.cpp: operands broadcast
std::span<const OpRule> reduce_rules();      // rules_reduce.cpp: sums, means, arg-max
std::span<const OpRule> layout_rules();      // rules_layout.cpp: reshape, transpose, split, concat
std::span<const OpRule> select_rules();      // rules_select.cpp: slice, gather, pad, tile
std::span<const OpRule> generate_rules();    // rules_generate.cpp: constants, ranges, shapes
std::span<const OpRule> matmul_rules();      // rules_matmul.cpp: matmul, gemm, einsum
std::span<const OpRule> conv_rules();        // rules_conv.cpp: convolution and pooling
std::span<const OpRule> norm_rules();        // rules_norm.cpp: norms and softmax
std::span<const OpRule> attention_rules();   // rules_attention.cpp: ONNX's attention ops
std::span<const OpRule> contrib_rules();     // rules_contrib.cpp: com.microsoft's other ops
std::span<const OpRule> fused_rules();       // rules_fused.cpp: fused_ops.h
std::span<const OpRule> state_rules();       // rules_state.cpp: its caches and positions
std::span<const OpRule> channels_last_rules();  // rules_channels_last.cpp: its Conv and Pool

}  // namespace heed::graph
