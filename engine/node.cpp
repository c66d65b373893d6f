#include "engine/node.h"

namespace heed {
namespace {

// Vectors of a FlatBuffer may be absent; every index in one has been verified.
const TensorView* operand(const flatbuffers::Vector<int32_t>* list, size_t i,
                          const TensorView* tensors) {
  if (list == nullptr || i >= list->size()) return nullptr;
  const int32_t tensor = list->Get(static_cast<flatbuffers::uoffset_t>(i));
  return tensor < 0 ? nullptr : &tensors[tensor];
}

}  // namespace

bool OpInfo::has_input(size_t i) const { return operand(op->inputs(), i, tensors) != nullptr; }
const TensorView& OpInfo::input(size_t i) const { return *operand(op->inputs(), i, tensors); }
bool OpInfo::has_output(size_t i) const { return operand(op->outputs(), i, tensors) != nullptr; }
const TensorView& OpInfo::output(size_t i) const { return *operand(op->outputs(), i, tensors); }

const TensorView* OpInfo::optional(int32_t tensor) const {
  return tensor < 0 ? nullptr : &tensors[tensor];
}

}  // namespace heed
