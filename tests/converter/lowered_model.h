#pragma once
// A fused graph as a .heed file in memory, opened by the engine: for tests of what becomes of it.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "converter/file_model.h"
#include "converter/graph/graph.h"
#include "converter/lower.h"
#include "converter/measure.h"
#include "converter/quantize/precision.h"
#include "converter/write/write_model.h"
#include "engine/heed.hpp"
#include "converter/plan/plan.h"
#include "engine/verify.h"

namespace heed::test {

class LoweredModel {
 public:
  /// Lowers, plans, writes to memory and opens; a refusal of the engine fails the test.
  explicit LoweredModel(const graph::Graph& graph, const PrecisionRules& rules = {})
      : graph_(graph) {
    file_.model.version = kFormatVersion;
    lower(graph, "main", choose_precision(graph, rules), file_);
    drop_unused_tensors(file_);
    std::vector<PlanResult> plans;
    Diagnostic diagnostic;
    const Status planned = plan_model(file_.model, &plans, &diagnostic);
    INFO(diagnostic.text());
    REQUIRE(planned == Status::ok);
    const std::vector<std::byte> bytes = serialize(file_);
    memory_ = std::make_unique<std::byte[]>(bytes.size() + kAlignment);
    void* at = memory_.get();
    size_t space = bytes.size() + kAlignment;
    std::memcpy(std::align(kAlignment, bytes.size(), at, space), bytes.data(), bytes.size());
    const Status opened =
        model_.open({static_cast<const std::byte*>(at), bytes.size()}, &diagnostic);
    INFO(diagnostic.text());
    REQUIRE(opened == Status::ok);
  }

  const fb::TensorT& tensor(int32_t index) const {
    return *file_.model.tensors[static_cast<size_t>(index)];
  }
  /// The bytes of a constant tensor.
  const std::byte* constant(int32_t index) const {
    return file_.blobs().data() + tensor(index).blob->offset();
  }
  const std::vector<std::unique_ptr<fb::OpT>>& ops() const {
    return file_.model.entry_points[0]->ops;
  }
  /// How many ops of each kind, in the order they run: "Rows Linear Attention".
  std::string kinds() const {
    std::string text;
    for (const auto& op : ops()) {
      std::string name = fb::EnumNameOpOptions(op->options.type);
      name.resize(name.size() - std::strlen("Options"));
      if (!text.empty()) text += ' ';
      text += name;
    }
    return text;
  }

  /// Against the float evaluator on seeded inputs.
  Measurement measured(int32_t samples = 1, uint64_t seed = 1) const {
    return measure(model_.get(), {{&graph_, "main", random_inputs(graph_, seed, samples)}});
  }
  /// The least SNR of any output.
  double output_snr_db() const {
    double least = kExactSnr;
    for (const OutputError& output : measured().outputs) least = std::min(least, output.snr_db);
    return least;
  }

 private:
  const graph::Graph& graph_;
  FileModel file_;
  std::unique_ptr<std::byte[]> memory_;
  Model model_;
};

}  // namespace heed::test
