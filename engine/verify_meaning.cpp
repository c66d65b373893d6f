// The second pass: every op makes sense by itself and in its order.

#include <string.h>

#include <new>

#include "engine/node.h"
#include "engine/operands.h"
#include "engine/verify.h"
#include "engine/written_ranges.h"

namespace heed {
namespace {

constexpr uint32_t kOperandsMax = 1024;  // of one op; its writes are checked against its reads
constexpr int64_t kStepsMax = INT64_C(1) << 28;  // well under a second; real models need thousands

/// Walks the ops of one entry point after another.
class MeaningCheck {
 public:
  MeaningCheck(DecodedModel* model, heed_diagnostic* diagnostic)
      : model_(*model), diagnostic_(diagnostic) {}

  Status all();

 private:
  Status begin();
  Status names();
  Status inputs(const fb::EntryPoint& entry);
  Status outputs(const fb::EntryPoint& entry);
  Status op(const fb::Op& op, int32_t index);
  Status operands(const fb::Op& op, int32_t index);
  Status read(int32_t tensor, int32_t op);
  Status write(int32_t tensor, int32_t op);
  Status apart(const fb::Op& op, int32_t index);
  Status claim(int32_t root, int32_t op);

  bool exists(int32_t tensor) const { return tensor >= 0 && tensor < model_.tensor_count; }
  Status require(bool holds, const char* what, int32_t op, int32_t tensor = -1,
                 int64_t expected = 0, int64_t actual = 0) {
    if (holds) return Status::ok;
    const Status status = fail(diagnostic_, Status::bad_model, what, op, tensor, expected, actual);
    if (exists(tensor)) set_where(diagnostic_, model_.tensors[tensor].name);
    return status;
  }

  DecodedModel& model_;
  heed_diagnostic* diagnostic_;
  int32_t entry_ = 0;
  WrittenRanges written_;
};

Status MeaningCheck::begin() {
  uint64_t writes = 0;
  for (const fb::EntryPoint* entry : *model_.table->entry_points()) {
    uint64_t here = size_of(entry->inputs());
    if (entry->ops() != nullptr)
      for (const fb::Op* op : *entry->ops()) here += size_of(op->outputs());
    if (here > writes) writes = here;
  }
  if (writes > INT32_MAX || !written_.reserve(model_.tensor_count, static_cast<int32_t>(writes)))
    return fail(diagnostic_, Status::out_of_memory, "no memory to verify the file");
  return Status::ok;
}

Status MeaningCheck::names() {
  const auto& entries = *model_.table->entry_points();
  for (uint32_t i = 0; i < entries.size(); ++i) {
    const char* name = text_of(entries.Get(i)->name());
    HEED_TRY(require(name[0] != '\0', "an entry point has no name", -1));
    for (uint32_t j = 0; j < i; ++j)
      HEED_TRY(require(strcmp(name, text_of(entries.Get(j)->name())) != 0,
                       "two entry points have the same name", -1));
  }
  return Status::ok;
}

// The memory of an arena tensor belongs to one entry point.
Status MeaningCheck::claim(int32_t root, int32_t op) {
  TensorPlace& place = model_.places[root];
  if (place.storage != fb::Storage::arena) return Status::ok;
  HEED_TRY(require(place.entry_point == -1 || place.entry_point == entry_,
                   "two entry points share a tensor that is not state", op, root));
  place.entry_point = entry_;
  return Status::ok;
}

Status MeaningCheck::inputs(const fb::EntryPoint& entry) {
  for (uint32_t i = 0; i < size_of(entry.inputs()); ++i) {
    const int32_t tensor = entry.inputs()->Get(i);
    HEED_TRY(require(exists(tensor), "an input does not exist", -1, tensor));
    const TensorPlace& place = model_.places[tensor];
    HEED_TRY(require(place.storage == fb::Storage::arena && place.root == tensor,
                     "an input must have arena memory of its own", -1, tensor));
    HEED_TRY(require(!is_quantised(model_.tensors[tensor].type),
                     "an input may not be of quantised rows", -1, tensor));
    HEED_TRY(claim(tensor, -1));
    HEED_TRY(require(written_.add(tensor, 0, place.bytes), "an input is named twice", -1, tensor));
  }
  return Status::ok;
}

Status MeaningCheck::outputs(const fb::EntryPoint& entry) {
  HEED_TRY(require(size_of(entry.outputs()) > 0, "an entry point has no output", -1));
  for (const int32_t tensor : *entry.outputs()) {
    HEED_TRY(require(exists(tensor), "an output does not exist", -1, tensor));
    HEED_TRY(require(model_.places[tensor].storage != fb::Storage::constant,
                     "an output may not be a constant", -1, tensor));
    HEED_TRY(require(!is_quantised(model_.tensors[tensor].type),
                     "an output may not be of quantised rows", -1, tensor));
    HEED_TRY(read(tensor, -1));
  }
  return Status::ok;
}

Status MeaningCheck::read(int32_t tensor, int32_t op) {
  const TensorPlace& place = model_.places[tensor];
  if (place.storage != fb::Storage::arena) return Status::ok;
  HEED_TRY(claim(place.root, op));
  const size_t begin = place.offset - model_.places[place.root].offset;
  return require(written_.covers(place.root, begin, begin + place.bytes),
                 "a tensor is read before it is written", op, tensor);
}

Status MeaningCheck::write(int32_t tensor, int32_t op) {
  const TensorPlace& place = model_.places[tensor];
  HEED_TRY(require(place.storage != fb::Storage::constant, "a constant is written", op, tensor));
  if (place.storage != fb::Storage::arena) return Status::ok;
  HEED_TRY(claim(place.root, op));
  const size_t begin = place.offset - model_.places[place.root].offset;
  return require(written_.add(place.root, begin, begin + place.bytes), "a tensor is written twice",
                 op, tensor);
}

Status MeaningCheck::operands(const fb::Op& op, int32_t index) {
  HEED_TRY(require(size_of(op.inputs()) <= kOperandsMax && size_of(op.outputs()) <= kOperandsMax,
                   "an op has too many operands", index));
  Status status = Status::ok;
  bool writes = false;
  const auto check = [&](int32_t tensor) {
    if (status == Status::ok)
      status = require(tensor == -1 || exists(tensor), "an operand does not exist", index, -1,
                       model_.tensor_count - 1, tensor);
  };
  for_each_read(op, check);
  for_each_write(op, [&](int32_t tensor) {
    check(tensor);
    writes = writes || tensor >= 0;
  });
  HEED_TRY(status);
  return require(writes, "an op has no output", index);
}

// No output shares a byte with an operand that is read, nor with another output.
Status MeaningCheck::apart(const fb::Op& op, int32_t index) {
  Status status = Status::ok;
  const auto overlap = [&](int32_t a, int32_t b) {
    const TensorPlace& p = model_.places[a];
    const TensorPlace& q = model_.places[b];
    return p.root == q.root && p.offset < q.offset + q.bytes && q.offset < p.offset + p.bytes;
  };
  for (uint32_t i = 0; i < size_of(op.outputs()); ++i) {
    const int32_t output = op.outputs()->Get(i);
    if (output < 0) continue;
    for_each_read(op, [&](int32_t input) {
      if (status == Status::ok && input >= 0)
        status = require(!overlap(output, input), "an op writes what it reads", index, output);
    });
    for (uint32_t j = 0; j < i && status == Status::ok; ++j) {
      const int32_t other = op.outputs()->Get(j);
      if (other >= 0)
        status = require(!overlap(output, other), "two outputs of an op overlap", index, output);
    }
    HEED_TRY(status);
  }
  return Status::ok;
}

Status MeaningCheck::op(const fb::Op& op, int32_t index) {
  HEED_TRY(require(op.options_type() != fb::OpOptions::NONE && op.options() != nullptr,
                   "an op has no options", index));
  const NodeKind* kind = node_kind(op.options_type());
  if (kind == nullptr)
    return fail(diagnostic_, Status::unsupported, "this build does not know the kind of an op",
                index, -1, 0, static_cast<int64_t>(op.options_type()));
  HEED_TRY(operands(op, index));
  HEED_TRY(kind->verify({&op, index, model_.tensors.get()}, diagnostic_));
  HEED_TRY(apart(op, index));
  Status status = Status::ok;
  const auto each = [&](Status (MeaningCheck::*check)(int32_t, int32_t)) {
    return [&, check](int32_t tensor) {
      if (status == Status::ok && tensor >= 0) status = (this->*check)(tensor, index);
    };
  };
  for_each_read(op, each(&MeaningCheck::read));
  for_each_write(op, each(&MeaningCheck::write));
  if (status == Status::ok && written_.steps() > kStepsMax)
    return fail(diagnostic_, Status::limit_exceeded, "the model's views are too tangled", index);
  return status;
}

Status MeaningCheck::all() {
  HEED_TRY(require(size_of(model_.table->entry_points()) > 0, "the model has no entry point", -1));
  HEED_TRY(names());
  HEED_TRY(begin());
  for (const fb::EntryPoint* entry : *model_.table->entry_points()) {
    written_.clear();
    HEED_TRY(inputs(*entry));
    for (uint32_t i = 0; i < size_of(entry->ops()); ++i) {
      const fb::Op& next = *entry->ops()->Get(i);
      const Status status = op(next, static_cast<int32_t>(i));
      if (status == Status::ok) continue;
      set_where(diagnostic_, text_of(next.name()));
      return status;
    }
    HEED_TRY(outputs(*entry));
    ++entry_;
  }
  return Status::ok;
}

}  // namespace

Status verify_meaning(DecodedModel* model, heed_diagnostic* diagnostic) {
  return MeaningCheck(model, diagnostic).all();
}

}  // namespace heed
