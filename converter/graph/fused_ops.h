#pragma once
// The ops of domain "heed" that passes put in place of the ONNX spellings. Names, operands and
// attributes are fixed here; evaluate.cpp computes each in float32, lower.cpp turns each into ops
// of the file. Rows: all dimensions but the last are flattened unless said otherwise.
//
// Linear      inputs x [..,K], weight [N,K] (constant), bias [N] (constant or absent), residual
//             (absent, or broadcastable rows); output [..,N]
//             y = activation(x w^T + bias) + residual;
//             attribute activation: "", "Relu", "GeluErf", "GeluTanh", "GeluSigmoid", "Silu",
//             "Sigmoid", "Tanh"
//             residual: its rows repeat when it has fewer, i.e. its shape without leading ones is
//             a suffix of the output's and ends in N
// FramesLinear inputs x [B,L,C], weight [N, window*C] (constant), bias, residual (both as in
//             Linear); output [B,F,N]; attributes window, hop, pad (rows of zeros before and
//             after), activation. A 1-D convolution over frames: row f joins rows
//             f*hop-pad .. f*hop-pad+window-1 of x.
// SignalLinear inputs x [B,L], weight [N,K] (constant), bias, residual; output [B,F,N]; attributes
//             hop, activation. Row f is samples f*hop .. f*hop+K-1 of x.
// Conv        what is no linear, channels last: inputs x [B,spatial..,C] (one or two spatial
//             dimensions), weight [O,kernel..,C/group] (constant), bias [O] or absent; output
//             [B,spatial'..,O]; attributes strides, dilations (one per spatial dimension), pads
//             (all befores, then all afters, as in ONNX), group, activation "" or "Relu"
// Pool        input x [B,spatial..,C]; output [B,spatial'..,C]; attributes kind "max" | "average",
//             kernel, strides, pads as in Conv, count_padding (1: zeros count in an average)
// Attention   inputs q [B,T,*], k [B,S,*], v [B,S,*], mask (absent or f32 broadcastable to
//             [B,H,T,S], added to the scores); output [B,T,H*Dv]; attributes heads, kv_heads,
//             head_width, value_width, scale (float), causal, window, q_column, k_column, v_column
//             (the first column of head 0 in a row: separate tensors or a merged one)
// Norm        inputs x [..,N], gamma [N], beta [N] or absent; attributes kind "layer" | "rms",
//             epsilon
// Activation  input x; attribute activation as in Linear
// Embedding   inputs table [V,N] (constant), ids [..]; output [..,N]
// Patches     input x [B,C,H,W]; attributes patch_h, patch_w; output [B, (H/ph)*(W/pw), C*ph*pw]:
//             the rows that make a patch-embedding convolution a Linear
namespace heed::graph {
inline constexpr const char* kFusedDomain = "heed";
}  // namespace heed::graph
