#include "tests/support/tiny_models.h"

#include <cstring>
#include <stdexcept>

#include "converter/plan/plan.h"
#include "ops/linear/linear.h"

namespace heed::test {
namespace {

size_t elements(const Dims& shape) {
  size_t n = 1;
  for (const uint32_t d : shape) n *= d;
  return n;
}

uint32_t last(const Dims& shape) { return shape.empty() ? 1 : shape.back(); }

}  // namespace

AlignedBytes::AlignedBytes(std::span<const std::byte> from) : AlignedBytes(from.size()) {
  if (!from.empty()) memcpy(data(), from.data(), from.size());
}

TinyModel::TinyModel(uint64_t seed) : random(seed) { model.version = kFormatVersion; }

void TinyModel::entry_point(const std::string& name) {
  model.entry_points.push_back(std::make_unique<fb::EntryPointT>());
  entry().name = name;
}

int32_t TinyModel::tensor(const std::string& name, DataType type, fb::Storage storage,
                          const Dims& shape) {
  auto tensor = std::make_unique<fb::TensorT>();
  tensor->name = name;
  tensor->dtype = type;
  tensor->storage = storage;
  tensor->shape = shape;
  model.tensors.push_back(std::move(tensor));
  return static_cast<int32_t>(model.tensors.size()) - 1;
}

int32_t TinyModel::input(const std::string& name, DataType type, const Dims& shape) {
  const int32_t index = arena(name, shape, type);
  entry().inputs.push_back(index);
  return index;
}

int32_t TinyModel::arena(const std::string& name, const Dims& shape, DataType type) {
  return tensor(name, type, fb::Storage::arena, shape);
}

int32_t TinyModel::q8(const std::string& name, const Dims& shape, uint32_t group) {
  const int32_t index = arena(name, shape, DataType::q8_rows);
  at(index).group = group;
  return index;
}

int32_t TinyModel::view(const std::string& name, int32_t parent, uint64_t offset,
                        const Dims& shape) {
  const int32_t index = tensor(name, at(parent).dtype, fb::Storage::view, shape);
  at(index).parent = parent;
  at(index).offset = offset;
  return index;
}

int32_t TinyModel::constant(const std::string& name, DataType type, const Dims& shape,
                            const void* bytes) {
  const int32_t index = tensor(name, type, fb::Storage::constant, shape);
  const size_t size = elements(shape) * element_bytes(type), offset = blobs.size();
  blobs.resize(offset + round_up(size, kAlignment));
  memcpy(blobs.data() + offset, bytes, size);
  at(index).blob = std::make_unique<fb::Blob>(offset, size);
  return index;
}

int32_t TinyModel::state(const std::string& name, const Dims& shape, const void* bytes) {
  if (bytes == nullptr) return tensor(name, DataType::f32, fb::Storage::state, shape);
  const int32_t index = constant(name, DataType::f32, shape, bytes);
  at(index).storage = fb::Storage::state;
  return index;
}

int32_t TinyModel::random_floats(const std::string& name, const Dims& shape, float low,
                                 float high) {
  std::vector<float> values(elements(shape));
  random.fill(values, low, high);
  return constant(name, DataType::f32, shape, values.data());
}

fb::OpT& TinyModel::op(const std::string& name, fb::OpOptionsUnion options,
                       std::vector<int32_t> inputs, std::vector<int32_t> outputs) {
  auto op = std::make_unique<fb::OpT>();
  op->name = name;
  op->options = std::move(options);
  op->inputs = std::move(inputs);
  op->outputs = std::move(outputs);
  entry().ops.push_back(std::move(op));
  return *entry().ops.back();
}

fb::OpT& TinyModel::linear(const std::string& name, int32_t x, uint32_t n, fb::EpilogueT epilogue,
                           std::vector<int32_t> outputs) {
  const Dims& shape = at(x).shape;
  const auto rows = static_cast<uint32_t>(elements(shape)) / last(shape);
  const auto layout =
      Q8Layout::of(rows, static_cast<int32_t>(last(shape)), static_cast<int32_t>(at(x).group), 0);
  const auto width = static_cast<uint32_t>(layout.step);
  const auto groups = static_cast<uint32_t>(layout.groups);
  const auto blocked = static_cast<uint32_t>(round_up(n, kLinearBlockN));
  std::vector<int8_t> weights(size_t{n} * width);
  random.fill(weights);
  std::vector<int8_t> packed(
      linear_packed_bytes(static_cast<int32_t>(n), static_cast<int32_t>(width)));
  std::vector<int32_t> sums(size_t{groups} * blocked);
  pack_linear(weights.data(), static_cast<int32_t>(n), layout.groups, layout.group, packed.data(),
              sums.data());
  fb::LinearOptionsT options;
  options.rows = rows;
  options.epilogue = std::make_unique<fb::EpilogueT>(std::move(epilogue));
  return op(
      name, std::move(options),
      {x, constant(name + ".weight", DataType::i8, {blocked / 16, width / 4, 16, 4}, packed.data()),
       random_floats(name + ".scale", {blocked}, 0.0005f, 0.001f),
       constant(name + ".sum", DataType::i32, {groups, blocked}, sums.data()),
       random_floats(name + ".bias", {blocked}, -0.5f, 0.5f)},
      std::move(outputs));
}

fb::EpilogueT TinyModel::norm(const std::string& name, uint32_t width) {
  fb::EpilogueT epilogue;
  epilogue.norm = fb::Norm::layer;
  epilogue.gamma = random_floats(name + ".gamma", {width}, 0.5f, 1.5f);
  epilogue.beta = random_floats(name + ".beta", {width}, -0.5f, 0.5f);
  return epilogue;
}

int32_t TinyModel::norm_to_q8(const std::string& name, int32_t x) {
  const Dims shape = at(x).shape;
  const int32_t y = q8(name + ".q8", shape);
  fb::RowsOptionsT options;
  options.rows = static_cast<uint32_t>(elements(shape)) / last(shape);
  options.epilogue = std::make_unique<fb::EpilogueT>(norm(name, last(shape)));
  op(name, std::move(options), {x}, {-1, -1, y});
  return y;
}

void TinyModel::plan() {
  std::vector<PlanResult> results;
  heed_diagnostic diagnostic;
  if (plan_model(model, &results, &diagnostic) != Status::ok)
    throw std::runtime_error(diagnostic.what);
}

AlignedBytes TinyModel::bytes() {
  model.blob_bytes = blobs.size();
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishSizePrefixedModelBuffer(builder, fb::Model::Pack(builder, &model));
  const size_t tables = builder.GetSize(), begin = round_up(tables, kAlignment);
  AlignedBytes file(begin + blobs.size());
  memcpy(file.data(), builder.GetBufferPointer(), tables);
  if (!blobs.empty()) memcpy(file.data() + begin, blobs.data(), blobs.size());
  return file;
}

TinyModel feed_forward_model(uint64_t seed, uint32_t rows, uint32_t width) {
  TinyModel m(seed);
  m.entry_point("main");
  const int32_t x = m.input("x", DataType::f32, {rows, width});
  const int32_t normed = m.norm_to_q8("norm", x);
  const int32_t hidden = m.q8("hidden", {rows, 4 * width}, 16);
  fb::EpilogueT gelu;
  gelu.activation = fb::Activation::gelu_erf;
  m.linear("expand", normed, 4 * width, std::move(gelu), {-1, -1, hidden});
  const int32_t y = m.arena("y", {rows, width});
  fb::EpilogueT add = m.norm("last", width);
  add.residual = x;
  m.linear("contract", hidden, width, std::move(add), {-1, y});
  m.output(y);
  m.plan();
  return m;
}

TinyModel attention_model(uint64_t seed, uint32_t tokens, uint32_t heads, uint32_t head_width) {
  TinyModel m(seed);
  const uint32_t width = heads * head_width;
  m.entry_point("main");
  const int32_t x = m.input("x", DataType::f32, {1, tokens, width});
  const int32_t normed = m.norm_to_q8("norm", x);
  const int32_t qkv = m.arena("qkv", {tokens, 3 * width});
  m.linear("qkv", normed, 3 * width, {}, {qkv});
  fb::AttentionOptionsT attention;
  attention.queries = attention.keys = tokens;
  attention.heads = attention.kv_heads = heads;
  attention.head_width = head_width;
  attention.scale = 0.25f;
  attention.k_column = width;
  attention.v_column = 2 * width;
  const int32_t mixed = m.q8("mixed", {tokens, width});
  m.op("attention", std::move(attention), {qkv, qkv, qkv}, {-1, -1, mixed});
  const int32_t y = m.arena("y", {1, tokens, width});
  fb::EpilogueT add;
  add.residual = x;
  m.linear("project", mixed, width, std::move(add), {y});
  m.output(y);
  m.plan();
  return m;
}

TinyModel lookup_model(uint32_t n, uint32_t width) {
  TinyModel m;
  m.entry_point("main");
  const int32_t ids = m.input("ids", DataType::i32, {n});
  const int32_t table = m.random_floats("table", {7, width}, -1, 1);
  const int32_t y = m.arena("y", {n, width});
  m.op("lookup", fb::EmbeddingOptionsT{}, {table, ids}, {y});
  m.output(y);
  m.plan();
  return m;
}

TinyModel running_sum_model(uint32_t width) {
  TinyModel m;
  std::vector<float> first(width);
  for (uint32_t i = 0; i < width; ++i) first[i] = static_cast<float>(i + 1);
  m.entry_point("main");
  const int32_t x = m.input("x", DataType::f32, {width});
  const int32_t sum = m.state("sum", {width}, first.data());
  const int32_t y = m.arena("y", {width});
  fb::BinaryOptionsT add;
  add.kind = fb::BinaryKind::add;
  m.op("add", std::move(add), {sum, x}, {y});
  m.op("keep", fb::CopyOptionsT{}, {y}, {sum});
  m.output(y);
  m.plan();
  return m;
}

TinyModel two_entry_model() {
  TinyModel m;
  m.entry_point("encode");
  const int32_t x = m.input("x", DataType::f32, {6});
  const int32_t code = m.arena("code", {6});
  fb::UnaryOptionsT gelu;
  gelu.kind = fb::UnaryKind::gelu_erf;
  m.op("gelu", std::move(gelu), {x}, {code});
  m.output(code);
  m.entry_point("decode");
  const int32_t given = m.input("code", DataType::f32, {6});
  const int32_t t = m.input("t", DataType::f32, {6});
  const int32_t y = m.arena("y", {6});
  fb::BinaryOptionsT add;
  add.kind = fb::BinaryKind::add;
  m.op("add", std::move(add), {given, t}, {y});
  m.output(y);
  m.plan();
  return m;
}

TinyModel convolution_model() {
  TinyModel m;
  m.entry_point("main");
  const int32_t x = m.input("x", DataType::f32, {1, 9, 8, 4});
  const int32_t weights = m.random_floats("weights", {6, 3, 3, 4}, -1, 1);
  const int32_t bias = m.random_floats("bias", {6}, -1, 1);
  const int32_t y = m.arena("y", {1, 9, 8, 6});
  fb::ConvOptionsT conv;
  conv.pad_top = conv.pad_left = conv.pad_bottom = conv.pad_right = 1;
  conv.activation = fb::Activation::relu;
  m.op("conv", std::move(conv), {x, weights, bias}, {y});
  m.output(y);
  m.plan();
  return m;
}

}  // namespace heed::test
