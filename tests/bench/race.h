#pragma once
// Contenders for the same work, timed in turn, next to what the machine could do at best.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/isa.h"

namespace heed::bench {

/// 64-byte aligned zeros, with room for what XNNPACK reads past the end.
template <typename T>
class Buffer {
 public:
  explicit Buffer(size_t count) : count_(count) {
    const size_t bytes = (count * sizeof(T) + 1024 + 63) / 64 * 64;
    data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    std::memset(static_cast<void*>(data_.get()), 0, bytes);
  }
  T* data() { return data_.get(); }
  std::span<T> span() { return {data_.get(), count_}; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  size_t count_;
};

/// What is computed, by whomever: one row of the report per contender.
struct Work {
  std::string family, shape;
  double multiply_adds = 0;                  // int8 or float; 0 where that is not the measure
  double bytes_read = 0, bytes_written = 0;  // operands, each counted once
  bool int8 = false;                         // the multiply-adds are int8: compare with that peak
};

struct Contender {
  std::string name;  // the variant that runs
  std::function<void()> run;
  double peak = 0;  // int8 multiply-adds per second of the variant's own dot product, where known
  double best_s = 1e30;
};

/// Measures, prints a line per contender, keeps all for JSON. One thread.
class Race {
 public:
  Race(std::string filter, double seconds, bool quiet)
      : filter_(std::move(filter)), seconds_(seconds), quiet_(quiet) {}

  /// Whether anybody asked for this row: "family shape contender" contains the filter.
  bool wanted(const Work& work, const std::string& contender) const;
  /// Whether this machine can run a variant, the row is wanted, and it will end today: reference
  /// kernels are left out of large work.
  bool enters(const Work& work, const char* variant, IsaSet isa) const;
  /// All in turn, several rounds, so that a drift of the clock hits all alike; the best run of each
  /// counts. A contender called "XNNPACK" is what the others are compared with.
  void run(const Work& work, std::vector<Contender> contenders);

  /// Everything so far, and the machine's limits, as one JSON object.
  bool write_json(const char* path) const;
  size_t rows() const { return rows_.size(); }

 private:
  struct Row {
    Work work;
    Contender contender;
    double xnnpack_s, yardstick_s;
  };
  void print(const Row& row) const;

  std::string filter_;
  double seconds_;
  bool quiet_;
  std::vector<Row> rows_;
};

/// Seconds that reading and writing so many bytes takes at best, measured on buffers of that size
/// and so in the same level of cache: a copy, and a read of what is left.
double memory_seconds(double bytes_read, double bytes_written, double budget_s);

// Each walks the list of its family, on the shapes of real models.
void race_linear(Race* race);
void race_matmul(Race* race);
void race_attention(Race* race);
void race_rows(Race* race);         // activation, norm, quantize, softmax, residual adds
void race_elementwise(Race* race);  // unary, binary, compare, select, reduce

}  // namespace heed::bench
