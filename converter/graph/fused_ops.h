#pragma once
// The ops of domain "heed" that passes put in place of the ONNX spellings. Names, operands and
// attributes are fixed here; evaluate.cpp computes each in float32, lower.cpp turns each into ops
// of the file. Rows: all dimensions but the last are flattened unless said otherwise.
//
// Linear      inputs x [..,K], weight [N,K] (constant), bias [N] (constant or absent),
//             residual (absent, or broadcastable rows); output [..,N]
//             y = activation(x w^T + bias) + residual;
//             attribute activation: "", "Relu", "GeluErf", "GeluTanh", "GeluSigmoid", "Silu", "Sigmoid", "Tanh"
// FramesLinear inputs x [..,L,C], weight [N, window*C] (constant), bias; output [..,F,N]; attributes
//             window, hop, pad (rows of zeros before and after), activation. A 1-D convolution over
//             frames: row f joins rows f*hop-pad .. f*hop-pad+window-1 of x.
// SignalLinear inputs x [B,L], weight [N,K], bias; output [B,F,N]; attribute hop. Frames of K samples.
// Attention   inputs q [B,T,*], k [B,S,*], v [B,S,*], mask (absent or f32 broadcastable to [B,H,T,S],
//             added to the scores); output [B,T,H*Dv]; attributes heads, kv_heads, head_width,
//             value_width, scale (float), causal, window, q_column, k_column, v_column (the first
//             column of head 0 in a row: separate tensors or a merged one)
// Norm        inputs x [..,N], gamma [N], beta [N] or absent; attributes kind "layer" | "rms", epsilon
// Activation  input x; attribute activation as in Linear
// Embedding   inputs table [V,N] (constant), ids [..]; output [..,N]
// Patches     input x [B,C,H,W]; attributes patch_h, patch_w; output [B, (H/ph)*(W/pw), C*ph*pw]:
//             the rows that make a patch-embedding convolution a Linear
namespace heed::graph {
inline constexpr const char* kFusedDomain = "heed";
}  // namespace heed::graph
