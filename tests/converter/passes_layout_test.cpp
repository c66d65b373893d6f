// Moving elements: chains that cancel, transposes that sink, and views that see through both.

#include <catch2/generators/catch_generators.hpp>

#include "converter/passes/strided_view.h"
#include "tests/converter/passes_case.h"

using namespace heed;
using namespace heed::test;
using graph::ValueId;
using passes::Runs;
using passes::StridedView;
using Ints = std::vector<int64_t>;

TEST_CASE("a transpose sinks past what works in either order and meets its inverse") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 6, 10});
  const ValueId t = b.transpose(x, {0, 2, 1});
  ValueId y = graph::kNoValue;
  Ints back = {0, 2, 1};
  SECTION("elementwise ops with constants of any rank") {
    y = b.node("Mul", {b.node("Add", {b.node("Exp", {t}), b.random({10, 1})}), b.random({6})});
  }
  SECTION("Concat") { y = b.node("Concat", {t, b.random({1, 3, 6}), t}, {{"axis", int64_t{1}}}); }
  SECTION("Slice") { y = b.node("Slice", {t, b.ints({2, 1}), b.ints({9, 5}), b.ints({1, 2})}); }
  SECTION("Pad") { y = b.node("Pad", {t, b.ints({0, 1, 2, 0, 3, 0})}); }
  SECTION("a sum that keeps its dimension") {
    y = b.node("Sub", {t, b.node("ReduceMax", {t}, {{"axes", Ints{1}}})});
  }
  SECTION("a sum that drops it") {
    const ValueId wide = b.node("Unsqueeze", {t, b.ints({3})});
    y = b.node("ReduceMean", {b.node("Exp", {wide})},
               {{"axes", Ints{3}}, {"keepdims", int64_t{0}}});
  }
  SECTION("a softmax") { y = b.node("Softmax", {t}, {{"axis", int64_t{1}}}); }
  const PassedGraph passed = pass_all(b.finish(b.transpose(y, back)));
  CHECK(passed.general("Transpose") == 0);
}

TEST_CASE("a transpose that would only multiply by sinking stays where it is") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 5, 4, 16});
  const ValueId t = b.transpose(x, {0, 2, 1, 3});
  b.output(b.linear(t, 24));
  b.output(b.linear(t, 24));
  b.output(b.linear(t, 24));
  const PassedGraph passed = pass_all(b.finish());
  CHECK(passed.general("Transpose") == 1);
  CHECK(passed.fused("Linear") == 3);
}

TEST_CASE("chains of movements become the shortest that does the same") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 3, 4, 5});
  SECTION("nothing") {
    const ValueId flat = b.node("Flatten", {x}, {{"axis", int64_t{2}}});
    const ValueId back = b.reshape(b.node("Unsqueeze", {flat, b.ints({0})}), {2, 3, 4, 5});
    const PassedGraph passed = pass_all(b.finish(b.node("Exp", {back})));
    CHECK(passed.nodes() == 1);
  }
  SECTION("a reshape, where only a dimension of one moves") {
    const ValueId thin = b.reshape(x, {6, 1, 20});
    const PassedGraph passed = pass_all(b.finish(b.transpose(thin, {1, 0, 2})));
    CHECK(passed.nodes() == 1);
    CHECK(passed.general("Reshape") == 1);
  }
  SECTION("one transpose") {
    const ValueId once = b.reshape(b.transpose(x, {1, 0, 2, 3}), {3, 2, 20});
    const PassedGraph passed = pass_all(b.finish(b.transpose(once, {2, 0, 1})));
    CHECK(passed.general("Transpose") == 1);
  }
}

TEST_CASE("a view follows reshapes, transposes, slices and expansions") {
  StridedView view = StridedView::whole({2, 7, 3, 4, 8});  // [B,T,3,H,D]
  view.permute({2, 0, 3, 1, 4});
  REQUIRE(view.slice(0, 1, 1, 1));
  REQUIRE(view.reshape({2, 4, 7, 8}));
  CHECK(view.offset == 32);
  CHECK(view.dims[1] == Runs{{4, 8}});
  CHECK(view.dims[2] == Runs{{7, 96}});
  CHECK(view.offsets(2) == Ints{32, 40, 48, 56, 704, 712, 720, 728});
  SECTION("dimensions that do not touch merge to several runs and come apart again") {
    REQUIRE(view.reshape({56, 8}));
    CHECK(view.dims[0].size() == 3);
    REQUIRE(view.reshape({2, 4, 7, 8}));
    CHECK(view.dims[1] == Runs{{4, 8}});
  }
  SECTION("a cut through a run is refused") { CHECK_FALSE(view.reshape({2, 4, 8, 7})); }
  SECTION("an expanded dimension has stride zero") {
    REQUIRE(view.reshape({2, 4, 1, 7, 8}));
    REQUIRE(view.expand({2, 4, 3, 7, 8}));
    REQUIRE(view.reshape({2, 12, 7, 8}));
    CHECK(view.dims[1] == Runs{{4, 8}, {3, 0}});
  }
}

TEST_CASE("every pass names itself, says what it does, and runs in the listed order") {
  const auto order = passes::pass_order();
  REQUIRE(order.size() > 8);
  for (const passes::Pass& pass : order) {
    CHECK(std::string(pass.name).size() > 3);
    CHECK(std::string(pass.what).size() > 10);
  }
  const auto place = [&](const std::string& name) {
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i].name == name) return i;
    }
    return order.size();
  };
  CHECK(place("fuse_linear") < place("fuse_attention"));
  CHECK(place("fuse_attention") < place("merge_projections"));
  CHECK(place("merge_projections") < place("fuse_residuals"));
}
