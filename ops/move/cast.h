#pragma once
// Element type conversions, as ONNX Cast has them: floats become integers by truncation (clamped to
// the range, NaN to 0), anything becomes a boolean by comparing with 0, integers wrap when they get
// narrower.

#include <stddef.h>
#include <stdint.h>

namespace heed {

enum class CastType : uint8_t { f32, i32, i64, i8, u8, boolean };

/// y[i] = cast(x[i]), i < n. No overlap, but for x equal to y where both types are the same.
void cast_elements(const void* x, CastType from, void* y, CastType to, int64_t n);

}  // namespace heed
