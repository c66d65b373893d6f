#include "tests/fuzz/heed_mutator.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "converter/plan/plan.h"
#include "engine/verify.h"
#include "tests/fuzz/scalar_mutator.h"

namespace heed::test {
namespace {

/// Changes that a scalar cannot make: what there is, and in which order.
void mutate_lists(fb::ModelT& model, SeededRandom& random) {
  auto& tensors = model.tensors;
  auto& entries = model.entry_points;
  if (tensors.empty() || entries.empty() || tensors.back() == nullptr) return;
  fb::EntryPointT& entry = *entries[below(random, entries.size())];
  auto& ops = entry.ops;
  fb::TensorT& tensor = *tensors[below(random, tensors.size())];
  const auto any_tensor = [&] {
    return static_cast<int32_t>(random.integer(-1, static_cast<int64_t>(tensors.size())));
  };
  const auto change_list = [&](std::vector<int32_t>& list) {
    if (!list.empty() && random.integer(0, 2) != 0)
      list[below(random, list.size())] = any_tensor();
    else if (list.empty() || random.integer(0, 1) == 0)
      list.push_back(any_tensor());
    else
      list.pop_back();
  };
  fb::OpT* op = ops.empty() ? nullptr : ops[below(random, ops.size())].get();
  switch (random.integer(0, 12)) {
    case 0:
      if (!ops.empty()) std::swap(ops[below(random, ops.size())], ops[below(random, ops.size())]);
      break;
    case 1:
      if (op != nullptr && ops.size() < 64) ops.push_back(std::make_unique<fb::OpT>(*op));
      break;
    case 2:
      if (ops.size() > 1)
        ops.erase(ops.begin() + static_cast<ptrdiff_t>(below(random, ops.size())));
      break;
    case 3:
      if (op != nullptr) change_list(op->inputs);
      break;
    case 4:
      if (op != nullptr) change_list(op->outputs);
      break;
    case 5:
      change_list(random.integer(0, 1) == 0 ? entry.inputs : entry.outputs);
      break;
    case 6:
      tensor.shape.push_back(static_cast<uint32_t>(pick(kTelling, random)));
      break;
    case 7:
      if (!tensor.shape.empty()) tensor.shape.pop_back();
      break;
    case 8:
      if (!tensor.shape.empty())
        tensor.shape[below(random, tensor.shape.size())] =
            static_cast<uint32_t>(random.integer(1, 40));
      break;
    case 9:
      if (tensors.size() < 256) tensors.push_back(std::make_unique<fb::TensorT>(tensor));
      break;
    case 10:
      tensor = fb::TensorT(*tensors[below(random, tensors.size())]);
      break;
    case 11:
      if (entries.size() < 8) entries.push_back(std::make_unique<fb::EntryPointT>(entry));
      break;
    default:
      tensor.storage = static_cast<fb::Storage>(random.integer(0, 3));
      if (random.integer(0, 1) == 0) tensor.blob.reset();
      if (tensor.storage == fb::Storage::view) tensor.parent = any_tensor();
  }
}

/// Blobs as large as their tensors, so that a changed shape gets past the first pass.
void mend_blobs(fb::ModelT& model, FuzzBytes& blobs) {
  for (const auto& tensor : model.tensors) {
    if (tensor == nullptr || tensor->blob == nullptr || tensor->dtype > DataType::boolean) continue;
    uint64_t bytes = element_bytes(tensor->dtype);
    for (const uint32_t size : tensor->shape) bytes = std::min<uint64_t>(bytes * size, 1 << 20);
    if (bytes == tensor->blob->size() || bytes > 4096) continue;
    tensor->blob = std::make_unique<fb::Blob>(blobs.size(), bytes);
    blobs.resize(blobs.size() + round_up(static_cast<size_t>(bytes), kAlignment), 1);
  }
}

/// A kind of options without any is sound, but more than the generated code can copy.
void drop_absent_options(fb::ModelT& model) {
  for (const auto& entry : model.entry_points)
    for (const auto& op : entry->ops)
      if (op->options.value == nullptr) op->options.Reset();
}

/// Reads the tables at the start of bytes. False where they are none.
bool unpack(const FuzzBytes& bytes, fb::ModelT* model, size_t* tables) {
  if (bytes.size() < 16) return false;
  uint32_t size = 0;
  memcpy(&size, bytes.data(), sizeof size);
  if (size > bytes.size() - sizeof size) return false;
  // Of the tables alone: it takes no buffer that goes on behind them.
  flatbuffers::Verifier verifier(bytes.data(), sizeof size + size, 16, 100000);
  if (!fb::VerifySizePrefixedModelBuffer(verifier)) return false;
  *tables = size;
  fb::GetSizePrefixedModel(bytes.data())->UnPackTo(model);
  drop_absent_options(*model);
  return true;
}

/// The tables alone.
void pack(const fb::ModelT& model, FuzzBytes& bytes) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);  // so that there is a scalar to change
  fb::FinishSizePrefixedModelBuffer(builder, fb::Model::Pack(builder, &model));
  bytes.assign(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

void change_scalars(FuzzBytes& bytes, int64_t count, SeededRandom& random) {
  mutate_scalars(bytes, sizeof(uint32_t), fb::ModelTypeTable(), count, random);
}

/// One change, and all that follows from it set right: most such files are run.
void change_gently(fb::ModelT& model, FuzzBytes& blobs, FuzzBytes& bytes, SeededRandom& random) {
  if (random.integer(0, 2) == 0) {
    mutate_lists(model, random);
  } else {
    pack(model, bytes);
    change_scalars(bytes, 1, random);
    size_t tables = 0;
    fb::ModelT changed;
    if (!unpack(bytes, &changed, &tables)) return;  // a union that is now of another kind
    model = std::move(changed);
  }
  mend_blobs(model, blobs);
  model.blob_bytes = blobs.size();
  std::vector<PlanResult> results;
  (void)plan_model(model, &results, nullptr);  // a plan that fails is a change too
  pack(model, bytes);
}

/// Any number of changes, with a plan that still fits or not.
void change_wildly(fb::ModelT& model, FuzzBytes& blobs, FuzzBytes& bytes, SeededRandom& random) {
  const bool lists = random.integer(0, 1) == 0;
  if (lists)
    for (int64_t i = random.integer(1, 2); i > 0; --i) mutate_lists(model, random);
  if (random.integer(0, 1) == 0) mend_blobs(model, blobs);
  if (random.integer(0, 1) == 0) {
    std::vector<PlanResult> results;
    (void)plan_model(model, &results, nullptr);
  }
  if (random.integer(0, 3) != 0) model.blob_bytes = blobs.size();
  pack(model, bytes);
  change_scalars(bytes, random.integer(lists ? 0 : 1, 3), random);
}

}  // namespace

bool mutate_heed(FuzzBytes& bytes, SeededRandom& random) {
  fb::ModelT model;
  size_t tables = 0;
  if (!unpack(bytes, &model, &tables)) return false;
  const size_t area = std::min(blob_area_begin(tables), bytes.size());
  FuzzBytes blobs(bytes.begin() + static_cast<ptrdiff_t>(area), bytes.end());
  for (int64_t i = random.integer(0, 2); i > 0 && !blobs.empty(); --i)
    blobs[below(random, blobs.size())] = static_cast<uint8_t>(random.next());
  random.integer(0, 1) == 0 ? change_gently(model, blobs, bytes, random)
                            : change_wildly(model, blobs, bytes, random);
  bytes.resize(blob_area_begin(bytes.size() - sizeof(uint32_t)));
  bytes.insert(bytes.end(), blobs.begin(), blobs.end());
  return true;
}

}  // namespace heed::test
