#include <cmath>

#include "tests/converter/passes_case.h"

using namespace heed;
using namespace heed::test;
using graph::ValueId;

namespace {

constexpr float kHalfRoot = 0.70710678118654752f;

/// A graph input, the spelling under test, and its result as output.
template <class Spelling>
PassedGraph pass_spelling(Spelling spelling) {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 5, 16});
  return pass_all(b.finish(spelling(b, x)));
}

void check_is(const PassedGraph& passed, const std::string& kind) {
  CHECK(passed.nodes() == 1);
  CHECK(passed.first("Activation").string_or("activation", "") == kind);
}

ValueId erf_gate(GraphBuilder& b, ValueId x) {
  const ValueId scaled = b.node("Div", {x, b.scalar(std::sqrt(2.0f))});
  return b.node("Add", {b.node("Erf", {scaled}), b.scalar(1.0f)});
}

ValueId tanh_gate(GraphBuilder& b, ValueId cube, ValueId x) {
  const ValueId inner = b.node("Add", {x, b.node("Mul", {b.scalar(0.044715f), cube})});
  const ValueId scaled = b.node("Mul", {b.scalar(0.7978845608f), inner});
  return b.node("Add", {b.scalar(1.0f), b.node("Tanh", {scaled})});
}

}  // namespace

TEST_CASE("GELU by erf is one activation in every order that exporters multiply") {
  SECTION("(x (1 + erf(x / sqrt 2))) 0.5, as PyTorch writes it") {
    check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
               return b.node("Mul", {b.node("Mul", {x, erf_gate(b, x)}), b.scalar(0.5f)});
             }),
             "GeluErf");
  }
  SECTION("(0.5 x) (1 + erf)") {
    check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
               return b.node("Mul", {b.node("Mul", {b.scalar(0.5f), x}), erf_gate(b, x)});
             }),
             "GeluErf");
  }
  SECTION("x (0.5 (erf + 1))") {
    check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
               return b.node("Mul", {x, b.node("Mul", {b.scalar(0.5f), erf_gate(b, x)})});
             }),
             "GeluErf");
  }
  SECTION("x (0.5 erf(x 0.7071) + 0.5)") {
    check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
               const ValueId erf = b.node("Erf", {b.node("Mul", {x, b.scalar(kHalfRoot)})});
               const ValueId half = b.node("Mul", {erf, b.scalar(0.5f)});
               return b.node("Mul", {b.node("Add", {half, b.scalar(0.5f)}), x});
             }),
             "GeluErf");
  }
}

TEST_CASE("GELU by tanh is one activation however the cube is spelled") {
  SECTION("Pow") {
    check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
               const ValueId gate = tanh_gate(b, b.node("Pow", {x, b.scalar(3.0f)}), x);
               return b.node("Mul", {b.node("Mul", {b.scalar(0.5f), x}), gate});
             }),
             "GeluTanh");
  }
  SECTION("Mul Mul, the half last") {
    check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
               const ValueId cube = b.node("Mul", {x, b.node("Mul", {x, x})});
               const ValueId product = b.node("Mul", {x, tanh_gate(b, cube, x)});
               return b.node("Mul", {b.scalar(0.5f), product});
             }),
             "GeluTanh");
  }
  SECTION("x (c1 + c2 x x), factored") {
    check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
               const ValueId square = b.node("Mul", {x, x});
               const ValueId scaled = b.node("Mul", {square, b.scalar(0.7978845608f * 0.044715f)});
               const ValueId sum = b.node("Add", {scaled, b.scalar(0.7978845608f)});
               const ValueId tanh = b.node("Tanh", {b.node("Mul", {x, sum})});
               const ValueId gate = b.node("Add", {tanh, b.scalar(1.0f)});
               return b.node("Mul", {b.node("Mul", {x, b.scalar(0.5f)}), gate});
             }),
             "GeluTanh");
  }
}

TEST_CASE("x sigmoid(x) is SiLU, x sigmoid(1.702 x) the sigmoid GELU") {
  check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
             return b.node("Mul", {x, b.node("Sigmoid", {x})});
           }),
           "Silu");
  check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
             const ValueId scaled = b.node("Mul", {b.scalar(1.702f), x});
             return b.node("Mul", {b.node("Sigmoid", {scaled}), x});
           }),
           "GeluSigmoid");
}

TEST_CASE("ops that are an activation by name become one") {
  check_is(pass_spelling([](GraphBuilder& b, ValueId x) { return b.node("Relu", {x}); }), "Relu");
  check_is(pass_spelling([](GraphBuilder& b, ValueId x) { return b.node("Tanh", {x}); }), "Tanh");
  check_is(pass_spelling([](GraphBuilder& b, ValueId x) { return b.node("Sigmoid", {x}); }),
           "Sigmoid");
  check_is(pass_spelling(
               [](GraphBuilder& b, ValueId x) { return b.node("com.microsoft:FastGelu", {x}); }),
           "GeluTanh");
  check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
             return b.node("com.microsoft:QuickGelu", {x}, {{"alpha", 1.702f}});
           }),
           "GeluSigmoid");
}

TEST_CASE("a product that is nearly GELU stays as it is and the report says why") {
  const PassedGraph passed = pass_spelling([](GraphBuilder& b, ValueId x) {
    const ValueId erf = b.node("Erf", {b.node("Mul", {x, b.scalar(0.75f)})});
    const ValueId gate = b.node("Add", {erf, b.scalar(1.0f)});
    return b.node("Mul", {b.node("Mul", {x, gate}), b.scalar(0.5f)});
  });
  CHECK(passed.fused("Activation") == 0);
  CHECK(passed.general("Erf") == 1);
  CHECK(passed.says("no GELU"));
}

TEST_CASE("HardSwish stays general") {
  const PassedGraph passed =
      pass_spelling([](GraphBuilder& b, ValueId x) { return b.node("HardSwish", {x}); });
  CHECK(passed.general("HardSwish") == 1);
}

TEST_CASE("an activation joins the linear layer that it alone follows") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 6, 16});
  const ValueId y = b.linear(x, 32);
  const ValueId z = b.node("Mul", {b.node("Mul", {y, erf_gate(b, y)}), b.scalar(0.5f)});
  const PassedGraph passed = pass_all(b.finish(b.linear(z, 16)));
  CHECK(passed.nodes() == 2);
  CHECK(passed.first("Linear").string_or("activation", "") == "GeluErf");
}

TEST_CASE("an activation does not join a layer whose plain output is also wanted") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 6, 16});
  const ValueId y = b.linear(x, 32);
  b.output(b.node("Relu", {y}));
  b.output(y);
  const PassedGraph passed = pass_all(b.finish());
  CHECK(passed.fused("Linear") == 1);
  CHECK(passed.fused("Activation") == 1);
}

TEST_CASE("GELU by the complement of erf, as TensorFlow has it, is one activation") {
  check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
             const ValueId erf = b.node("Erf", {b.node("Mul", {x, b.scalar(-kHalfRoot)})});
             const ValueId erfc = b.node("Sub", {b.scalar(1.0f), erf});
             return b.node("Mul", {b.node("Mul", {b.scalar(0.5f), x}), erfc});
           }),
           "GeluErf");
  check_is(pass_spelling([](GraphBuilder& b, ValueId x) {
             const ValueId erf = b.node("Erf", {b.node("Mul", {b.node("Neg", {x}),
                                                               b.scalar(kHalfRoot)})});
             const ValueId minus = b.node("Mul", {erf, b.scalar(-1.0f)});
             const ValueId erfc = b.node("Add", {minus, b.scalar(1.0f)});
             return b.node("Mul", {x, b.node("Mul", {b.scalar(0.5f), erfc})});
           }),
           "GeluErf");
  const PassedGraph other = pass_spelling([](GraphBuilder& b, ValueId x) {
    const ValueId erf = b.node("Erf", {b.node("Mul", {x, b.scalar(kHalfRoot)})});
    const ValueId erfc = b.node("Sub", {b.scalar(1.0f), erf});
    return b.node("Mul", {b.node("Mul", {b.scalar(0.5f), x}), erfc});
  });
  CHECK(other.says("is no GELU"));
}
