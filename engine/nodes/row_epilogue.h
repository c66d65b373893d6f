#pragma once
// What ops do to a row of N values while it is still in the cache (fb::Epilogue):
//
//   r = activation(core);  r = r + residual;  n = norm(r) * gamma + beta
//
// and which of r, n and the int8 rows of the last of them are stored. Shared by linear, attention,
// rows and embedding. Each stage is one pass over a panel of rows; the largest |value| that the
// quantiser needs comes out of the pass before it.

#include <cstddef>
#include <cstdint>

#include "engine/node.h"
#include "ops/activation/activation.h"
#include "ops/quantize/quantize.h"

namespace heed {

/// An epilogue made ready: plain pointers, trivially copyable.
struct RowEpilogue {
  const KernelSet* kernels;  // of the session
  int32_t width;             // N
  ActivationKind activation;
  fb::Norm norm;
  float epsilon;
  const float* residual;  // null: none
  int32_t residual_rows;  // its rows repeat
  const float* gamma;
  const float* beta;  // null: none
  float* r;           // where stages are stored; null: not stored
  float* n;
  int8_t* q;  // first row, its halo not counted
  float* q_scale;
  ptrdiff_t q_step;
  int32_t q_groups, q_group;
  Q8Layout q_layout;

  /// Where the core's rows first_row.. belong: in the first stored stage, N floats apart, or in
  /// `panel` (the caller's, N floats per row) where none is stored as floats.
  float* core(int64_t first_row, float* panel) const {
    float* stored = r ? r : n;
    return stored ? stored + first_row * width : panel;
  }
  bool core_is_stored() const { return r || n; }

  /// Zeroes the halo of the stored int8 rows. Once in each run, before or after the rows: the
  /// memory served other tensors since the last one.
  void clear_halo() const;

  /// Does all stages of `rows` rows from first_row on. Row i of the core is at core + i *
  /// core_step: in core(first_row, panel), or anywhere that no stage is stored to. `panel`: rows *
  /// N floats, `absmax`: rows floats, both scratch.
  void finish(int64_t first_row, int32_t rows, const float* core, ptrdiff_t core_step, float* panel,
              float* absmax) const;

 private:
  const float* activate_and_add(int64_t first_row, int32_t rows, const float* core, ptrdiff_t* step,
                                float* panel, float* absmax, bool adds) const;
};

/// Checks an op's epilogue and its outputs for a core of rows x width, and the op's outputs list.
Status verify_epilogue(const OpInfo& info, const fb::Epilogue* epilogue, int64_t rows,
                       heed_diagnostic* diagnostic);

/// N of an op with an epilogue, read off its first stored output. Needs operands_with_epilogue().
int32_t epilogue_width(const OpInfo& info);

/// Bytes of scratch for a panel of `rows` rows and their absmax.
constexpr size_t epilogue_scratch_bytes(int64_t rows, int64_t width) {
  return round_up(static_cast<size_t>(rows * width) * sizeof(float), kAlignment) +
         round_up(static_cast<size_t>(rows) * sizeof(float), kAlignment);
}

/// The two parts of that scratch.
struct EpilogueScratch {
  float* panel;
  float* absmax;
  EpilogueScratch(std::byte* scratch, int64_t rows, int64_t width)
      : panel(reinterpret_cast<float*>(scratch)),
        absmax(reinterpret_cast<float*>(
            scratch + round_up(static_cast<size_t>(rows * width) * sizeof(float), kAlignment))) {}
};

/// `info` is verified and bound to memory.
RowEpilogue make_epilogue(const OpInfo& info, const fb::Epilogue* epilogue,
                          const KernelSet& kernels);

}  // namespace heed
