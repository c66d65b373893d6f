#include "tests/support/op_recipes.h"

#include <memory>

namespace heed::test {
namespace {

template <class Options>
void one_to_one(RecipeSink& sink, Options options, const RecipeSizes& x, const RecipeSizes& y) {
  const int32_t in = sink.floats(x);
  sink.op(std::move(options), {in}, {sink.floats(y)});
}

std::unique_ptr<fb::EpilogueT> epilogue(RecipeSink& sink, int32_t rows, int32_t n) {
  auto e = std::make_unique<fb::EpilogueT>();
  e->activation = fb::Activation::silu;
  e->residual = sink.floats({rows, n});
  e->norm = fb::Norm::layer;
  e->gamma = sink.add(DataType::f32, {n}, true);
  e->beta = sink.add(DataType::f32, {n}, true);
  return e;
}
std::vector<int32_t> stages(RecipeSink& sink, int32_t rows, int32_t n) {
  const int32_t r = sink.floats({rows, n}), normed = sink.floats({rows, n});
  return {r, normed, sink.add(DataType::q8_rows, {rows, n}, false)};
}

const OpRecipe kRecipes[] = {
    {"linear",
     [](RecipeSink& sink) {
       fb::LinearOptionsT o;
       o.rows = 5;
       o.window = 2;
       const int32_t x = sink.add(DataType::q8_rows, {6, 32}, false);
       const int32_t w = sink.add(DataType::i8, {48 * 64}, true);
       const int32_t scale = sink.add(DataType::f32, {48}, true);
       const int32_t sum = sink.add(DataType::i32, {2, 48}, true);
       const int32_t bias = sink.add(DataType::f32, {48}, true);
       o.epilogue = epilogue(sink, 5, 40);
       sink.op(std::move(o), {x, w, scale, sum, bias}, stages(sink, 5, 40));
     }},
    {"linear over pixels",
     [](RecipeSink& sink) {
       fb::LinearOptionsT o;
       o.rows = 20;
       o.window = 4;
       o.pixels = std::make_unique<fb::PixelWindowT>();
       o.pixels->kernel_h = o.pixels->kernel_w = 2;
       o.pixels->pad_top = 1;
       o.pixels->in_h = o.pixels->out_h = 4;
       o.pixels->in_w = o.pixels->out_w = 5;
       const int32_t x = sink.add(DataType::q8_rows, {1, 4, 5, 16}, false);
       const int32_t w = sink.add(DataType::i8, {32 * 64}, true);
       const int32_t scale = sink.add(DataType::f32, {32}, true);
       o.epilogue = epilogue(sink, 20, 24);
       sink.op(std::move(o), {x, w, scale, -1, -1}, stages(sink, 20, 24));
     }},
    {"depthwise",
     [](RecipeSink& sink) {
       fb::DepthwiseOptionsT o;
       o.window = std::make_unique<fb::PixelWindowT>();
       o.window->kernel_h = o.window->kernel_w = 3;
       o.window->pad_top = o.window->pad_left = 1;
       o.window->in_h = o.window->out_h = 4;
       o.window->in_w = o.window->out_w = 5;
       const int32_t x = sink.floats({1, 4, 5, 24});
       const int32_t w = sink.add(DataType::f32, {3, 3, 24}, true);
       const int32_t bias = sink.add(DataType::f32, {24}, true);
       o.epilogue = epilogue(sink, 20, 24);
       sink.op(std::move(o), {x, w, bias}, stages(sink, 20, 24));
     }},
    {"float linear",
     [](RecipeSink& sink) {
       fb::LinearOptionsT o;
       o.layout = fb::WeightLayout::f32_n16;
       o.rows = 5;
       o.hop = 3;
       o.window = 7;
       o.row_width = 1;
       const int32_t x = sink.floats({19}), w = sink.add(DataType::f32, {32 * 7}, true);
       sink.op(std::move(o), {x, w, -1, -1, -1}, {sink.floats({5, 20})});
     }},
    {"attention",
     [](RecipeSink& sink) {
       fb::AttentionOptionsT o;
       o.batch = 2;
       o.queries = 4;
       o.keys = 6;
       o.heads = 2;
       o.kv_heads = 1;
       o.head_width = o.value_width = 8;
       o.scale = 0.3f;
       const int32_t q = sink.floats({8, 16}), k = sink.floats({12, 8});
       const int32_t v = sink.floats({12, 8}), mask = sink.floats({2, 1, 4, 6});
       o.epilogue = epilogue(sink, 8, 16);
       sink.op(std::move(o), {q, k, v, mask}, stages(sink, 8, 16));
     }},
    {"attention over caches",
     [](RecipeSink& sink) {
       fb::AttentionOptionsT o;
       o.batch = 2;
       o.queries = 4;
       o.keys = 6;
       o.heads = 2;
       o.kv_heads = 1;
       o.head_width = 16;
       o.scale = 0.3f;
       o.causal = true;
       const int32_t q = sink.floats({8, 32}), k = sink.add(DataType::q8_keys, {2, 6, 16}, false);
       const int32_t v = sink.add(DataType::q8_values, {2, 6, 16}, false);
       const int32_t length = sink.small(5);
       sink.op(std::move(o), {q, k, v, -1, length}, {sink.floats({8, 32})});
     }},
    {"cache_append",
     [](RecipeSink& sink) {
       fb::CacheAppendOptionsT o;
       o.batch = 2;
       o.rows = 3;
       const int32_t x = sink.floats({6, 16}), position = sink.small(3);
       sink.op(o, {x, position}, {sink.add(DataType::q8_values, {2, 10, 16}, false)});
     }},
    {"rope",
     [](RecipeSink& sink) {
       fb::RopeOptionsT o;
       o.batch = 2;
       o.rows = 3;
       o.heads = 2;
       o.head_width = 8;
       o.x_column = 4;
       const int32_t x = sink.floats({6, 20}), angles = sink.add(DataType::f32, {9, 6}, true);
       const int32_t position = sink.small(3);
       sink.op(o, {x, angles, position}, {sink.floats({6, 16})});
     }},
    {"rows",
     [](RecipeSink& sink) {
       fb::RowsOptionsT o;
       o.rows = 4;
       o.row_width = 10;
       o.hop = 3;
       const int32_t x = sink.floats({19});
       o.epilogue = epilogue(sink, 4, 10);
       sink.op(std::move(o), {x}, stages(sink, 4, 10));
     }},
    {"permuted rows",
     [](RecipeSink& sink) {
       fb::RowsOptionsT o;
       o.rows = 6;
       o.permutation = {1, 3, 0, 2, 4};
       const int32_t x = sink.floats({3, 2, 2, 3, 5});
       o.epilogue = epilogue(sink, 6, 30);
       sink.op(std::move(o), {x}, stages(sink, 6, 30));
     }},
    {"embedding",
     [](RecipeSink& sink) {
       fb::EmbeddingOptionsT o;
       const int32_t table = sink.add(DataType::i8, {7, 12}, true);
       const int32_t ids = sink.add(DataType::i64, {3}, false);
       const int32_t scale = sink.add(DataType::f32, {7}, true);
       o.epilogue = epilogue(sink, 3, 12);
       sink.op(std::move(o), {table, ids, scale}, stages(sink, 3, 12));
     }},
    {"embedding of packed rows",
     [](RecipeSink& sink) {
       fb::EmbeddingOptionsT o;
       o.packed_rows = 19;
       const int32_t table = sink.add(DataType::i8, {2, 4, 16, 4}, true);
       const int32_t ids = sink.add(DataType::i64, {3}, false);
       const int32_t scale = sink.add(DataType::f32, {32}, true);
       sink.op(std::move(o), {table, ids, scale}, {sink.floats({3, 12})});
     }},
    {"unary",
     [](RecipeSink& sink) {
       one_to_one(sink, fb::UnaryOptionsT{}, {4, 5}, {4, 5});
     }},
    {"binary",
     [](RecipeSink& sink) {
       const int32_t a = sink.floats({3, 1, 5}), b = sink.floats({4, 1});
       sink.op(fb::BinaryOptionsT{}, {a, b}, {sink.floats({3, 4, 5})});
     }},
    {"select",
     [](RecipeSink& sink) {
       const int32_t c = sink.add(DataType::boolean, {4, 1}, false), a = sink.floats({4, 6});
       sink.op(fb::SelectOptionsT{}, {c, a, sink.floats({6})}, {sink.floats({4, 6})});
     }},
    {"matmul",
     [](RecipeSink& sink) {
       const int32_t a = sink.floats({2, 1, 3, 5}), b = sink.floats({4, 5, 6});
       sink.op(fb::MatmulOptionsT{}, {a, b}, {sink.floats({2, 4, 3, 6})});
     }},
    {"softmax",
     [](RecipeSink& sink) {
       one_to_one(sink, fb::SoftmaxOptionsT{}, {4, 5}, {4, 5});
     }},
    {"reduce",
     [](RecipeSink& sink) {
       fb::ReduceOptionsT o;
       o.axes = {0, 2};
       one_to_one(sink, o, {3, 4, 5}, {4});
     }},
    {"transpose",
     [](RecipeSink& sink) {
       fb::TransposeOptionsT o;
       o.permutation = {2, 0, 1};
       one_to_one(sink, o, {3, 4, 5}, {5, 3, 4});
     }},
    {"slice",
     [](RecipeSink& sink) {
       fb::SliceOptionsT o;
       o.starts = {1, 4};
       o.steps = {1, -2};
       one_to_one(sink, o, {4, 6}, {3, 3});
     }},
    {"concat",
     [](RecipeSink& sink) {
       fb::ConcatOptionsT o;
       o.axis = 1;
       const int32_t a = sink.floats({2, 3, 2}), b = sink.floats({2, 1, 2});
       sink.op(o, {a, b}, {sink.floats({2, 4, 2})});
     }},
    {"gather",
     [](RecipeSink& sink) {
       fb::GatherOptionsT o;
       o.axis = 1;
       const int32_t x = sink.floats({2, 3, 4}), ids = sink.add(DataType::i32, {5}, false);
       sink.op(o, {x, ids}, {sink.floats({2, 5, 4})});
     }},
    {"gather elements",
     [](RecipeSink& sink) {
       fb::GatherElementsOptionsT o;
       o.axis = 1;
       const int32_t x = sink.floats({2, 3}), ids = sink.add(DataType::i64, {2, 5}, false);
       sink.op(o, {x, ids}, {sink.floats({2, 5})});
     }},
    {"pad",
     [](RecipeSink& sink) {
       fb::PadOptionsT o;
       o.mode = fb::PadMode::reflect;
       o.before = {1, 2};
       one_to_one(sink, o, {3, 4}, {5, 7});
     }},
    {"expand",
     [](RecipeSink& sink) {
       one_to_one(sink, fb::ExpandOptionsT{}, {3, 1}, {2, 3, 4});
     }},
    {"cast",
     [](RecipeSink& sink) {
       one_to_one(sink, fb::CastOptionsT{}, {3, 4}, {3, 4});
     }},
    {"copy",
     [](RecipeSink& sink) {
       one_to_one(sink, fb::CopyOptionsT{}, {3, 4}, {2, 6});
     }},
    {"cumsum",
     [](RecipeSink& sink) {
       fb::CumsumOptionsT o;
       o.axis = 1;
       one_to_one(sink, o, {2, 3, 4}, {2, 3, 4});
     }},
    {"conv",
     [](RecipeSink& sink) {
       fb::ConvOptionsT o;
       o.pad_top = 1;
       o.stride_w = 2;
       const int32_t x = sink.floats({1, 5, 6, 4});
       const int32_t w = sink.add(DataType::f32, {6, 3, 2, 4}, true);
       sink.op(o, {x, w}, {sink.floats({1, 4, 3, 6})});
     }},
    {"pool",
     [](RecipeSink& sink) {
       fb::PoolOptionsT o;
       o.window_h = o.window_w = 2;
       o.pad_left = 1;
       one_to_one(sink, o, {1, 4, 5, 3}, {1, 3, 5, 3});
     }},
};

}  // namespace

std::span<const OpRecipe> op_recipes() { return kRecipes; }

}  // namespace heed::test
