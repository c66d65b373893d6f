// A .heed file: opened, looked at through every face, and run, in memory of exactly the size that
// the model asked for.

#include <cstdlib>
#include <cstring>

#include "engine/heed.hpp"
#include "ops/isa.h"
#include "tests/fuzz/exact_bytes.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/heed_mutator.h"
#include "tests/fuzz/heed_seeds.h"

namespace heed::test {
namespace {

constexpr int64_t kMultiplyAddsMax = 5'000'000;  // a sound model may be slow: such are not run
constexpr int64_t kBytesMovedMax = 16 << 20;
constexpr size_t kSessionMax = 64 << 20;
constexpr size_t kMapMax = 1 << 20;               // elements of an attention map
constexpr int64_t kMultiplyAddsShared = 1 << 18;  // from here on ops wake their threads

size_t length_of(const char* text) { return text == nullptr ? 0 : strlen(text); }

/// Every question that may be asked of a model. Returns what a run of all of it costs.
struct Cost {
  int64_t multiply_adds = 0, bytes = 0;
};
Cost look_at(const heed_model* model) {
  Cost cost;
  heed_info info;
  heed_model_info(model, &info);
  size_t letters = length_of(info.task) + length_of(info.producer) + length_of(info.recipe) +
                   length_of(info.source_name) + length_of(info.worst_layer);
  for (int32_t i = 0; i < info.labels; ++i) letters += length_of(heed_model_label(model, i));
  heed_tensor tensor;
  for (int32_t i = -1; i <= info.tensors; ++i)
    if (heed_model_tensor(model, i, &tensor) == HEED_OK) letters += length_of(tensor.name);
  for (int32_t e = -1; e <= info.entry_points; ++e) {
    heed_entry_point entry;
    if (heed_model_entry_point(model, e, &entry) != HEED_OK) continue;
    for (int32_t i = 0; i < entry.inputs; ++i)
      (void)heed_model_input(model, entry.name, i, &tensor);
    for (int32_t i = 0; i < entry.outputs; ++i)
      (void)heed_model_output(model, entry.name, i, &tensor);
    for (int32_t i = 0; i < entry.ops; ++i) {
      heed_op op;
      if (heed_model_op(model, entry.name, i, &op) != HEED_OK) abort();
      letters += length_of(op.name) + length_of(op.kind);
      cost.multiply_adds += op.multiply_adds;
      for (int32_t j = 0; j < op.inputs + op.outputs; ++j) {
        int32_t index = -1;
        (void)(j < op.inputs ? heed_model_op_input(model, entry.name, i, j, &index)
                             : heed_model_op_output(model, entry.name, i, j - op.inputs, &index));
        if (index >= 0 && heed_model_tensor(model, index, &tensor) == HEED_OK)
          cost.bytes += static_cast<int64_t>(tensor.bytes);
      }
    }
    for (int32_t i = 0; i < entry.attentions; ++i) {
      heed_attention attention;
      if (heed_model_attention(model, entry.name, i, &attention) != HEED_OK) abort();
      letters += length_of(attention.name);
    }
  }
  if (letters == SIZE_MAX) abort();
  return cost;
}

void fill_inputs(heed_session* session, const heed_entry_point& entry, const heed_model* model,
                 SeededRandom& random) {
  for (int32_t i = 0; i < entry.inputs; ++i) {
    heed_tensor tensor;
    if (heed_model_input(model, entry.name, i, &tensor) != HEED_OK ||
        heed_session_tensor(session, tensor.index, &tensor) != HEED_OK)
      abort();
    auto* bytes = static_cast<uint8_t*>(tensor.data);
    const bool wild = random.integer(0, 3) == 0;  // else small numbers, so that indices fit
    for (size_t b = 0; b < tensor.bytes; ++b) {
      const size_t place = b % (tensor.type == HEED_I64 ? 8 : tensor.type == HEED_I32 ? 4 : 1);
      bytes[b] = static_cast<uint8_t>(wild ? random.next() : place == 0 ? random.integer(0, 3) : 0);
    }
    if (tensor.type != HEED_F32 || wild) continue;
    for (size_t f = 0; f < tensor.bytes / sizeof(float); ++f)
      static_cast<float*>(tensor.data)[f] = random.uniform(-3, 3);
  }
}

/// Maps of the first attention: of all heads, then of the first.
std::vector<std::vector<float>> tapped(heed_session* session, const heed_model* model,
                                       const heed_entry_point& entry, bool run) {
  std::vector<std::vector<float>> maps;
  heed_attention a;
  if (!run || heed_model_attention(model, entry.name, 0, &a) != HEED_OK) return maps;
  const size_t plane =
      static_cast<size_t>(a.batch) * static_cast<size_t>(a.queries) * static_cast<size_t>(a.keys);
  const size_t heads = static_cast<size_t>(a.heads);
  for (const int32_t head : {-1, 0}) {
    if (head < 0 && plane * heads > kMapMax) continue;
    std::vector<float>& map = maps.emplace_back(head < 0 ? plane * heads : plane);
    (void)heed_attention_tap(session, entry.name, a.op, head, map.data(),
                             map.size() * sizeof(float), nullptr);
  }
  return maps;
}

void read_outputs(heed_session* session, const heed_entry_point& entry, const heed_model* model) {
  std::vector<float> values;
  for (int32_t i = 0; i < entry.outputs; ++i) {
    heed_tensor tensor;
    if (heed_model_output(model, entry.name, i, &tensor) != HEED_OK ||
        heed_session_tensor(session, tensor.index, &tensor) != HEED_OK)
      abort();
    size_t count = 1;
    for (int32_t d = 0; d < tensor.rank; ++d) count *= static_cast<size_t>(tensor.dims[d]);
    values.resize(count);
    if (heed_tensor_to_float(&tensor, values.data(), count) != HEED_OK) abort();
  }
}

void run_session(const Model& model, heed_options options, bool run, SeededRandom& random) {
  size_t needed = 0;
  if (model.memory_needed(options, &needed) != Status::ok || needed > kSessionMax) return;
  const ExactBytes memory(needed);
  Session session;
  Diagnostic diagnostic;
  if (session.create(model, options, memory.span(), &diagnostic) != Status::ok) return;
  for (int32_t e = 0; e < model.info().entry_points; ++e) {
    heed_entry_point entry;
    if (heed_model_entry_point(model.get(), e, &entry) != HEED_OK) abort();
    const std::vector<std::vector<float>> maps = tapped(session.get(), model.get(), entry, run);
    std::vector<heed_profile_row> rows(static_cast<size_t>(entry.ops));
    if (random.integer(0, 7) == 0)
      (void)heed_profile(session.get(), entry.name, rows.data(), entry.ops);
    fill_inputs(session.get(), entry, model.get(), random);
    const Status status = run ? session.run(entry.name, &diagnostic) : Status::ok;
    if (status != Status::ok && status != Status::bad_input) abort();
    heed_attention_clear(session.get());
    (void)heed_profile(session.get(), entry.name, nullptr, 0);
    read_outputs(session.get(), entry, model.get());
  }
  session.reset();
}

void run(std::span<const uint8_t> bytes) {
  heed_limits limits = heed_default_limits();
  limits.tensors = limits.ops = 4096;
  limits.tensor_bytes = 1 << 20;
  limits.session_bytes = 1 << 24;
  const ExactBytes file(bytes.size());
  if (!bytes.empty()) memcpy(file.span().data(), bytes.data(), bytes.size());
  Model model;
  Diagnostic diagnostic;
  if (model.open(file.span(), &diagnostic, &limits) != Status::ok) {
    if (diagnostic.what == nullptr || diagnostic.what[0] == '\0') abort();  // no reason given
    return;
  }
  const Cost cost = look_at(model.get());
  const bool quick = cost.multiply_adds < kMultiplyAddsMax && cost.bytes < kBytesMovedMax;
  SeededRandom random(hash_of(bytes));
  size_t isa = static_cast<size_t>(random.integer(0, static_cast<int64_t>(kIsaNameCount) - 1));
  if (!detect_isa().contains(kIsaNames[isa].set)) isa = 0;
  heed_options options{};
  const int64_t alone = cost.multiply_adds < kMultiplyAddsShared ? 31 : 1;
  options.threads = random.integer(0, alone) == 0 ? 2 : 1;
  options.isa = detect_isa().contains(kIsaNames[isa].set) ? kIsaNames[isa].name : nullptr;
  run_session(model, options, quick, random);
}

const FuzzTarget kTarget = {"heed", run, heed_seeds, mutate_heed};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
