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
// PixelsLinear as Conv below, one group, any activation of Linear: a linear layer over windows of
//             pixels
// Depthwise   as Conv below, one group for each channel and as many outputs, any activation of
//             Linear
// Conv        in groups of several channels, channels last: inputs x [B,spatial..,C] (one or two
//             spatial dimensions), weight [O,kernel..,C/group] (constant), bias [O] or absent;
//             output [B,spatial'..,O]; attributes strides, dilations (one per spatial dimension),
//             pads (all befores, then all afters, as in ONNX), group, activation "" or "Relu"
// Pool        input x [B,spatial..,C]; output [B,spatial'..,C]; attributes kind "max" | "average",
//             kernel, strides, pads as in Conv, count_padding (1: zeros count in an average)
// Attention   inputs q [B,T,*], k [B,S,*], v [B,S,*], mask (absent or f32 broadcastable to
//             [B,H,T,S], added to the scores), length (absent, or i64 of one element: only keys
//             0 .. length-1 are there); output [B,T,H*Dv]; attributes heads, kv_heads,
//             head_width, value_width, scale (float), causal, window, q_column, k_column, v_column
//             (the first column of head 0 in a row: separate tensors or a merged one), first_query
//             (the key that query 0 is where the queries are some of the keys; else absent)
// Norm        inputs x [..,N], gamma [N], beta [N] or absent; attributes kind "layer" | "rms",
//             epsilon
// Activation  input x; attribute activation as in Linear
// Embedding   inputs table [V,N] (constant), ids [..]; output [..,N]
// State       input left out; output [B,capacity,W]: a state of the model as it is when a run
//             begins, zeros at first (and whenever it is evaluated alone); attributes state (its
//             name, the same in every entry point), shape, holds ("keys" or "values", as what
//             attention reads it), head_width (of those; 0: nothing reads it)
// CacheAppend inputs cache [B,capacity,W], x [B,T,*], position (i64, one element); output: cache,
//             its rows position .. position+T-1 being those of x; attributes state, x_column (the
//             first of the W columns of x that are taken)
// Rope        inputs x [B,T,*], angles [P,2*half] (a row's cosines, then its sines), position
//             (absent: 0; i64, one element: that of row 0); output [B,T,heads*head_width]: heads
//             beginning at x_column, turned as in ops/rope/rope.h; attributes heads, head_width,
//             x_column, interleaved
// Patches     input x [B,C,H,W]; attributes patch_h, patch_w; output [B, (H/ph)*(W/pw), C*ph*pw]:
//             the rows that make a patch-embedding convolution a Linear
namespace heed::graph {
inline constexpr const char* kFusedDomain = "heed";
}  // namespace heed::graph
