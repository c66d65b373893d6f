#pragma once
// Which tensors an op reads and writes: its lists and the operands that its epilogue names.

#include <cstdint>

#include "engine/schema/model_generated.h"

namespace heed {

/// The epilogue of ops that have one; null for the others and where the file has none.
inline const fb::Epilogue* epilogue_of(const fb::Op& op) {
  switch (op.options_type()) {
    case fb::OpOptions::LinearOptions:
      return op.options_as_LinearOptions() ? op.options_as_LinearOptions()->epilogue() : nullptr;
    case fb::OpOptions::AttentionOptions:
      return op.options_as_AttentionOptions() ? op.options_as_AttentionOptions()->epilogue()
                                              : nullptr;
    case fb::OpOptions::RowsOptions:
      return op.options_as_RowsOptions() ? op.options_as_RowsOptions()->epilogue() : nullptr;
    case fb::OpOptions::EmbeddingOptions:
      return op.options_as_EmbeddingOptions() ? op.options_as_EmbeddingOptions()->epilogue()
                                              : nullptr;
    case fb::OpOptions::DepthwiseOptions:
      return op.options_as_DepthwiseOptions() ? op.options_as_DepthwiseOptions()->epilogue()
                                              : nullptr;
    default:
      return nullptr;
  }
}

/// f(tensor) for every operand slot that is read, -1 where an optional one is absent.
template <class F>
void for_each_read(const fb::Op& op, const F& f) {
  if (op.inputs() != nullptr)
    for (const int32_t tensor : *op.inputs()) f(tensor);
  if (const fb::Epilogue* epilogue = epilogue_of(op)) {
    f(epilogue->residual());
    f(epilogue->gamma());
    f(epilogue->beta());
  }
}

/// f(tensor) for every operand slot that is written, -1 where an optional one is absent.
template <class F>
void for_each_write(const fb::Op& op, const F& f) {
  if (op.outputs() != nullptr)
    for (const int32_t tensor : *op.outputs()) f(tensor);
}

template <class T>
uint32_t size_of(const flatbuffers::Vector<T>* list) {
  return list == nullptr ? 0 : list->size();
}

inline const char* text_of(const flatbuffers::String* text) {
  return text == nullptr ? "" : text->c_str();
}

}  // namespace heed
