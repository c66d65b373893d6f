#pragma once
// A single op out of a model: its tensors stand between unmapped pages, so that a node which reads
// or writes beyond one of them faults at once.

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/arena.h"
#include "engine/node.h"
#include "engine/operands.h"
#include "engine/threads.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/table_scalars.h"

namespace heed::test {

using Sizes = std::vector<int32_t>;

class OneOp {
 public:
  /// A tensor of zeros; its index.
  int32_t add(DataType type, const Sizes& sizes, uint32_t group = 0, uint32_t halo = 0) {
    TensorView view;
    view.type = type;
    view.shape.rank = static_cast<int32_t>(sizes.size());
    for (size_t i = 0; i < sizes.size(); ++i) view.shape.dims[i] = sizes[i];
    view.group = group;
    view.halo = halo;
    size_t bytes = static_cast<size_t>(view.shape.elements()) * element_bytes(type);
    if (type == DataType::q8_rows) bytes = view.q8().bytes;
    if (is_cache(type) && sizes.size() == 3 && group > 0) bytes = view.cache().bytes;
    memory_.push_back(std::make_unique<GuardedBuffer<std::byte>>(bytes + tail));
    view.data = memory_.back()->data();
    tensors_.push_back(view);
    is_constant_.push_back(false);
    return static_cast<int32_t>(tensors_.size()) - 1;
  }
  int32_t floats(const Sizes& sizes) { return add(DataType::f32, sizes); }
  template <class T>
  int32_t constant(DataType type, const Sizes& sizes, const std::vector<T>& values) {
    const int32_t tensor = add(type, sizes);
    set(tensor, values);
    is_constant_[static_cast<size_t>(tensor)] = true;
    return tensor;
  }
  template <class T>
  void set(int32_t tensor, const std::vector<T>& values) {
    memcpy(at(tensor).data, values.data(), values.size() * sizeof(T));
  }
  template <class T>
  std::vector<T> get(int32_t tensor) const {
    const TensorView& view = tensors_[static_cast<size_t>(tensor)];
    const T* first = view.as<const T>();
    return std::vector<T>(first, first + view.shape.elements());
  }
  /// All bytes of a tensor, for comparing bits.
  std::vector<std::byte> bytes(int32_t tensor) const {
    auto& memory = *memory_[static_cast<size_t>(tensor)];
    return {memory.begin(), memory.end() - tail};
  }
  TensorView& at(int32_t tensor) { return tensors_[static_cast<size_t>(tensor)]; }
  void make_constant(int32_t tensor) { is_constant_[static_cast<size_t>(tensor)] = true; }

  template <class Options>
  void define(Options options, std::vector<int32_t> inputs, std::vector<int32_t> outputs) {
    op.options.Set(std::move(options));
    op.inputs = std::move(inputs);
    op.outputs = std::move(outputs);
  }

  /// As the file's reader sees it: only constants have memory.
  Status verify() {
    build();
    std::vector<TensorView> seen = tensors_;
    for (size_t i = 0; i < seen.size(); ++i) {
      if (!is_constant_[i]) seen[i].data = nullptr;
    }
    diagnostic = {};
    return kind().verify(OpInfo{built_, 0, seen.data()}, &diagnostic);
  }

  /// Prepares and runs the verified op; outputs begin as garbage. Says what went wrong, or nothing.
  std::string run(IsaSet isa, int32_t thread_count,
                  const std::vector<AttentionTapRequest>& taps = {}) {
    build();
    const OpInfo info{built_, 0, tensors_.data()};
    for (uint32_t i = 0; i < built_->outputs()->size(); ++i) {
      const int32_t output = built_->outputs()->Get(i);
      if (output >= 0) memory_[static_cast<size_t>(output)]->fill_bytes(0xA5);
    }
    Threads threads;
    if (threads.create(thread_count, false, true) != Status::ok) return "no threads";
    const KernelSet kernels = choose_kernels(isa);
    const ScratchNeed need = kind().scratch(info, thread_count);
    const size_t per_thread = round_up(need.per_thread, kAlignment);
    GuardedBuffer<std::byte> shared(round_up(need.shared, kAlignment));
    GuardedBuffer<std::byte> own(per_thread * static_cast<size_t>(thread_count));
    GuardedBuffer<std::byte> state(round_up(kind().state_bytes, kAlignment));
    const size_t arena_bytes =
        kind().arena_bytes ? round_up(kind().arena_bytes(info, thread_count), kAlignment) : 0;
    GuardedBuffer<std::byte> arena_memory(arena_bytes);
    shared.fill_bytes(0xA5);
    own.fill_bytes(0xA5);
    Arena arena(arena_memory.data(), arena_bytes);
    PrepareContext prepare{arena, kernels, thread_count, &diagnostic};
    if (kind().prepare(info, prepare, state.data()) != Status::ok) return diagnostic.what;
    RunContext context{threads,    shared.data(), own.data(),
                       per_thread, taps.data(),   static_cast<int32_t>(taps.size()),
                       RunFault{}};
    for (int32_t i = 0; i < 2; ++i) kind().run(state.data(), context);
    variant = kind().variant(state.data());
    if (kind().destroy) kind().destroy(state.data());
    return context.fault.what ? context.fault.what : "";
  }

  /// Changes a few bytes of the op as the file would hold it. False where no file with such an op
  /// gets as far as its node: it is no FlatBuffer any more, or names tensors that do not exist.
  template <class Random>
  bool tamper(Random& random) {
    build();
    tampered_ = true;
    for (int64_t i = random.integer(1, 4); i > 0; --i) {
      const auto at =
          static_cast<size_t>(random.integer(4, static_cast<int64_t>(buffer_.size()) - 1));
      const uint8_t values[] = {0, 1, 2, 3, 0x7f, 0x80, 0xff, static_cast<uint8_t>(random.next())};
      buffer_[at] = values[random.integer(0, 7)];
    }
    return reaches_node();
  }

  /// The numbers of the op as a file that spells all of them out would hold it.
  std::vector<TableScalar> scalars() {
    flatbuffers::FlatBufferBuilder builder;
    builder.ForceDefaults(true);
    builder.Finish(fb::Op::Pack(builder, &op));
    buffer_.assign(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
    const uint8_t* root = flatbuffers::GetRoot<uint8_t>(buffer_.data());
    return table_scalars(buffer_.data(), root, fb::OpTypeTable());
  }
  /// Sets one of scalars() to a value of its width. False as for tamper().
  bool set_scalar(const TableScalar& scalar, const void* value) {
    tampered_ = true;
    memcpy(buffer_.data() + scalar.at, value, scalar.bytes());
    return reaches_node();
  }

  const NodeKind& kind() const { return *node_kind(op.options.type); }

  fb::OpT op;
  heed_diagnostic diagnostic{};
  std::string variant;
  size_t tail = 0;  // readable bytes behind each tensor added from now on

 private:
  bool reaches_node() {
    flatbuffers::Verifier verifier(buffer_.data(), buffer_.size());
    if (!verifier.VerifyBuffer<fb::Op>(nullptr)) return false;
    built_ = flatbuffers::GetRoot<fb::Op>(buffer_.data());
    if (built_->options_type() != op.options.type || built_->options() == nullptr) return false;
    bool exist = true;
    const auto look = [&](int32_t tensor) {
      exist &= tensor >= -1 && tensor < static_cast<int32_t>(tensors_.size());
    };
    for_each_read(*built_, look);
    for_each_write(*built_, look);
    return exist && writes_apart();
  }

  /// No tensor is written twice, none that is read, and no constant: the file's reader sees to it.
  bool writes_apart() const {
    bool apart = true;
    std::vector<int> writes(tensors_.size());
    for_each_write(*built_, [&](int32_t tensor) {
      if (tensor < 0) return;
      apart &= !is_constant_[static_cast<size_t>(tensor)];
      apart &= ++writes[static_cast<size_t>(tensor)] == 1;
    });
    for_each_read(*built_, [&](int32_t tensor) {
      apart &= tensor < 0 || writes[static_cast<size_t>(tensor)] == 0;
    });
    return apart;
  }

  void build() {
    if (tampered_) return;
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(fb::Op::Pack(builder, &op));
    buffer_.assign(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
    built_ = flatbuffers::GetRoot<fb::Op>(buffer_.data());
  }

  std::vector<std::unique_ptr<GuardedBuffer<std::byte>>> memory_;
  std::vector<TensorView> tensors_;
  std::vector<bool> is_constant_;
  std::vector<uint8_t> buffer_;
  const fb::Op* built_ = nullptr;
  bool tampered_ = false;
};

/// The instruction sets that this machine can run, the reference (nothing) first.
inline std::vector<IsaName> runnable_isas() {
  std::vector<IsaName> names;
  for (size_t i = 0; i < kIsaNameCount; ++i) {
    if (detect_isa().contains(kIsaNames[i].set)) names.push_back(kIsaNames[i]);
  }
  return names;
}

}  // namespace heed::test
