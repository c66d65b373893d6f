#pragma once
// Which bytes of each tensor have been written so far: sorted, disjoint ranges per tensor.

#include <cstddef>
#include <cstdint>
#include <memory>

namespace heed {

class WrittenRanges {
 public:
  /// Room for `writes` ranges of tensors 0 .. tensors-1. False without memory.
  bool reserve(int32_t tensors, int32_t writes);
  /// Forgets all that was written.
  void clear();

  /// Notes bytes begin .. end-1 of a tensor; false when one of them has been written before.
  bool add(int32_t tensor, size_t begin, size_t end);
  bool covers(int32_t tensor, size_t begin, size_t end);

  /// Ranges looked at since reserve(): what a file may cost is bounded by its reader.
  int64_t steps() const { return steps_; }

 private:
  struct Range {
    size_t begin, end;
    int32_t next;  // in order of begin; -1 at the end
  };

  std::unique_ptr<int32_t[]> first_;  // by tensor; -1: nothing written
  std::unique_ptr<Range[]> ranges_;
  int32_t tensors_ = 0;
  int32_t capacity_ = 0;
  int32_t used_ = 0;
  int64_t steps_ = 0;
};

}  // namespace heed
