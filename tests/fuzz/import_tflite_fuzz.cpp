// A TensorFlow Lite file: imported, folded and fused, as far as it makes sense.

#include <cstdlib>

#include "converter/graph/convert_error.h"
#include "converter/graph/fold_constants.h"
#include "converter/passes/pass.h"
#include "converter/tflite/tflite_file.h"
#include "converter/tflite/tflite_import.h"
#include "tests/fuzz/scalar_mutator.h"
#include "tests/support/tflite_builder.h"

namespace heed::test {
namespace {

using Op = TfliteModel::Op;
using Type = TfliteModel::Type;

void run(std::span<const uint8_t> bytes) {
  const std::string exact(bytes.begin(), bytes.end());  // of its own: a step beyond is seen
  try {
    graph::Graph graph = tflite::import_tflite_bytes(exact).graph;
    graph::fold_constants(graph);
    passes::PassReport report;
    passes::run_passes(graph, report);
  } catch (const ConvertError& error) {
    if (*error.what() == '\0') abort();  // no reason given
  }
}

void mutate_lists(TfliteModel& m, SeededRandom& random) {
  tfl::SubGraphT& graph = m.graph(below(random, m.model.subgraphs.size()));
  if (graph.tensors.empty() || graph.operators.empty() || m.model.buffers.empty()) return;
  tfl::TensorT& tensor = *graph.tensors[below(random, graph.tensors.size())];
  tfl::OperatorT& op = *graph.operators[below(random, graph.operators.size())];
  std::vector<int32_t>& operands = random.integer(0, 3) == 0 ? op.outputs : op.inputs;
  tfl::BufferT& buffer = *m.model.buffers[below(random, m.model.buffers.size())];
  switch (random.integer(0, 7)) {
    case 0:
      operands.push_back(static_cast<int32_t>(random.integer(-1, 12)));
      break;
    case 1:
      if (!operands.empty()) operands.pop_back();
      break;
    case 2:
      tensor.shape.push_back(static_cast<int32_t>(pick(kTelling, random)));
      break;
    case 3:
      if (!tensor.shape.empty()) tensor.shape.pop_back();
      break;
    case 4:
      buffer.data.resize(below(random, 64));
      break;
    case 5:
      if (graph.operators.size() < 32)
        graph.operators.push_back(std::make_unique<tfl::OperatorT>(op));
      break;
    case 6:
      if (tensor.quantization != nullptr) tensor.quantization->scale.resize(below(random, 5), 0.5f);
      break;
    default:
      m.quantise(static_cast<int32_t>(&tensor == graph.tensors[0].get() ? 0 : 1), {0.5f}, {3});
  }
}

/// A kind of options without any is sound, but more than the generated code can copy.
void drop_absent_options(tfl::ModelT& model) {
  for (const auto& graph : model.subgraphs) {
    for (const auto& tensor : graph->tensors)
      if (tensor->quantization != nullptr && tensor->quantization->details.value == nullptr)
        tensor->quantization->details.Reset();
    for (const auto& op : graph->operators) {
      if (op->builtin_options.value == nullptr) op->builtin_options.Reset();
      if (op->builtin_options_2.value == nullptr) op->builtin_options_2.Reset();
    }
  }
}

bool mutate_tflite(FuzzBytes& bytes, SeededRandom& random) {
  flatbuffers::Verifier verifier(bytes.data(), bytes.size(), 16, 100000);
  if (bytes.size() < 16 || !tfl::VerifyModelBuffer(verifier)) return false;
  TfliteModel changed;
  const tfl::Model* model = tfl::GetModel(bytes.data());
  for (size_t g = 0; model->subgraphs() && g < model->subgraphs()->size(); ++g) {
    const auto* tensors =
        model->subgraphs()->Get(static_cast<flatbuffers::uoffset_t>(g))->tensors();
    for (size_t t = 0; tensors && t < tensors->size(); ++t)
      if (!tflite::zero_points_are_aligned(*tensors->Get(static_cast<flatbuffers::uoffset_t>(t))))
        return false;
  }
  model->UnPackTo(&changed.model);
  drop_absent_options(changed.model);
  if (changed.model.subgraphs.empty() || changed.graph().tensors.size() < 2) return false;
  const bool lists = random.integer(0, 1) == 0;
  for (int64_t i = lists ? random.integer(1, 2) : 0; i > 0; --i) mutate_lists(changed, random);
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);  // so that there is a scalar to change
  tfl::FinishModelBuffer(builder, tfl::Model::Pack(builder, &changed.model));
  bytes.assign(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  mutate_scalars(bytes, 0, tfl::ModelTypeTable(), random.integer(lists ? 0 : 1, 3), random);
  return true;
}

/// Convolution with int8 weights, slice, reshape, mirror.
TfliteModel convolving() {
  TfliteModel m;
  const int32_t x = m.input("x", {1, 4, 4, 2});
  const int32_t w = m.constant("w", {3, 2, 2, 2}, Type::int8, std::vector<int8_t>(24, 5));
  m.quantise(w, {0.5f, 0.25f, 1.0f}, {0, 0, 0});
  const int32_t y = m.result("y", {1, 2, 2, 3}), cut = m.result("cut", {1, 2, 1, 3});
  tfl::Conv2DOptionsT conv;
  conv.stride_w = conv.stride_h = 2;
  m.op(Op::CONV_2D, {x, w, -1}, {y}, conv);
  tfl::StridedSliceOptionsT slice;
  slice.end_mask = 11;
  m.op(
      Op::STRIDED_SLICE,
      {y, m.ints("begin", {0, 0, 0, 0}), m.ints("end", {0, 0, 1, 0}), m.ints("step", {1, 1, 1, 1})},
      {cut}, slice);
  const int32_t flat = m.result("flat", {3, 2}), out = m.result("out", {5, 3});
  m.op(Op::RESHAPE, {cut, m.ints("to", {3, -1})}, {flat});
  const int32_t pads = m.constant("pads", {2, 2}, Type::int32, std::vector<int32_t>{1, 1, 0, 1});
  m.op(Op::MIRROR_PAD, {flat, pads}, {out}, tfl::MirrorPadOptionsT());
  m.outputs({out});
  return m;
}

/// Scores of rows against themselves, mixed: attention's ops, with a quantised input.
TfliteModel attending() {
  TfliteModel m;
  const int32_t x = m.input("x", {1, 4, 8}, Type::int8);
  m.quantise(x, {0.1f}, {3});
  const int32_t plain = m.result("plain", {1, 4, 8}), turned = m.result("turned", {1, 8, 4});
  m.op(Op::DEQUANTIZE, {x}, {plain});
  m.op(Op::TRANSPOSE, {plain, m.ints("turn", {0, 2, 1})}, {turned});
  const int32_t scores = m.result("scores", {1, 4, 4}), p = m.result("p", {1, 4, 4});
  m.op(Op::BATCH_MATMUL, {plain, turned}, {scores}, tfl::BatchMatMulOptionsT());
  m.op(Op::SOFTMAX, {scores}, {p}, tfl::SoftmaxOptionsT());
  const int32_t mixed = m.result("mixed", {1, 4, 8}), y = m.result("y", {1, 4, 3});
  m.op(Op::BATCH_MATMUL, {p, plain}, {mixed}, tfl::BatchMatMulOptionsT());
  const int32_t w = m.floats("w", {3, 8}, std::vector<float>(24, 0.25f));
  tfl::FullyConnectedOptionsT full;
  full.keep_num_dims = true;
  m.op(Op::FULLY_CONNECTED, {mixed, w, m.floats("b", {3}, {1, 2, 3})}, {y}, full);
  const int32_t mean = m.result("mean", {1, 3}), both = m.result("both", {1, 6});
  m.op(Op::MEAN, {y, m.ints("axis", {1})}, {mean}, tfl::ReducerOptionsT());
  tfl::ConcatenationOptionsT concat;
  concat.axis = 1;
  m.op(Op::CONCATENATION, {mean, mean}, {both}, concat);
  m.outputs({both});
  return m;
}

std::vector<FuzzBytes> seeds() {
  return {to_bytes(convolving().bytes()), to_bytes(attending().bytes())};
}

const FuzzTarget kTarget = {"import_tflite", run, seeds, mutate_tflite};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
