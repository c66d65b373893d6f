// Reductions over dimensions, arg-max, running sums.

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "converter/graph/rules/element_types.h"
#include "converter/graph/rules/rule_families.h"
#include "converter/graph/rules/walk.h"

namespace heed::graph {
namespace {

/// The reduced dimensions. Axes are an attribute before opset 18 (ReduceSum: 13).
std::vector<bool> reduced_dimensions(const OpCall& call) {
  const std::vector<int64_t> axes = call.ints_from("axes", 1);
  const bool none = axes.empty() && call.node.int_or("noop_with_empty_axes", 0) != 0;
  std::vector<bool> reduced(call.shape(0).size(), axes.empty() && !none);
  for (int64_t axis : axes) reduced[call.axis(axis, call.rank(0))] = true;
  return reduced;
}

void infer_reduce(OpCall& call) {
  const bool keep = call.node.int_or("keepdims", 1) != 0;
  const std::vector<bool> reduced = reduced_dimensions(call);
  Shape out;
  for (size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i]) {
      out.push_back(call.shape(0)[i]);
    } else if (keep) {
      out.push_back(1);
    }
  }
  call.result(0, call.in(0).dtype, out);
}

void infer_float_reduce(OpCall& call) {
  call.need_dtype(0, DType::f32);
  infer_reduce(call);
}

/// For each result: state = start; state = step(state, x) over its elements; y = finish(state, n).
template <class State, class T, class Step, class Finish>
void fold_dimensions(const OpCall& call, const std::vector<T>& x, std::vector<T>& y, State start,
                     Step step, Finish finish) {
  const std::vector<bool> reduced = reduced_dimensions(call);
  const Shape& shape = call.shape(0);
  const std::vector<int64_t> strides = row_strides(shape);
  Shape kept, gone;
  std::vector<int64_t> kept_strides, gone_strides;
  for (size_t i = 0; i < shape.size(); ++i) {
    (reduced[i] ? gone : kept).push_back(shape[i]);
    (reduced[i] ? gone_strides : kept_strides).push_back(strides[i]);
  }
  const int64_t count = element_count(gone);
  auto fold = [&](int64_t origin) {
    State state = start;
    walk<1>(gone, {gone_strides}, [&](int64_t, int64_t n, const auto& at, const auto& steps) {
      const T* from = x.data() + origin + at[0];
      for (int64_t i = 0; i < n; ++i) state = step(state, from[i * steps[0]]);
    });
    return finish(state, count);
  };
  walk<1>(kept, {kept_strides}, [&](int64_t first, int64_t n, const auto& at, const auto& steps) {
    for (int64_t i = 0; i < n; ++i) {
      y[static_cast<size_t>(first + i)] = static_cast<T>(fold(at[0] + i * steps[0]));
    }
  });
}

template <class Step, class Finish>
void reduce_floats(OpCall& call, double start, Step step, Finish finish) {
  fold_dimensions<double>(
      call, call.f32(0), call.y(), start,
      [=](double state, float x) { return step(state, static_cast<double>(x)); }, finish);
}

double keep_state(double state, int64_t) { return state; }
double add_to(double state, double x) { return state + x; }

void evaluate_sum(OpCall& call) {
  if (call.in(0).dtype == DType::f32) return reduce_floats(call, 0, add_to, keep_state);
  fold_dimensions<int64_t>(call, call.i64(0), call.yi(), int64_t{0}, wrapping_add,
                           [](int64_t state, int64_t) { return state; });
}

void evaluate_mean(OpCall& call) {
  auto mean = [](double sum, int64_t n) { return sum / static_cast<double>(n); };
  if (call.in(0).dtype == DType::f32) return reduce_floats(call, 0, add_to, mean);
  fold_dimensions<int64_t>(call, call.i64(0), call.yi(), int64_t{0}, wrapping_add, safe_divide);
}

void evaluate_prod(OpCall& call) {
  if (call.in(0).dtype == DType::f32) {
    return reduce_floats(
        call, 1, [](double s, double x) { return s * x; }, keep_state);
  }
  fold_dimensions<int64_t>(call, call.i64(0), call.yi(), int64_t{1}, wrapping_multiply,
                           [](int64_t state, int64_t) { return state; });
}

template <class Better>
void evaluate_extreme(OpCall& call, double start, int64_t start_integer, Better better) {
  if (call.in(0).dtype == DType::f32) {
    return reduce_floats(
        call, start, [=](double s, double x) { return std::isnan(x) || better(x, s) ? x : s; },
        keep_state);
  }
  fold_dimensions<int64_t>(
      call, call.i64(0), call.yi(), start_integer,
      [=](int64_t s, int64_t x) { return better(x, s) ? x : s; },
      [](int64_t state, int64_t) { return state; });
}

void evaluate_max(OpCall& call) {
  evaluate_extreme(call, -std::numeric_limits<double>::infinity(), INT64_MIN,
                   [](auto x, auto best) { return x > best; });
}

void evaluate_min(OpCall& call) {
  evaluate_extreme(call, std::numeric_limits<double>::infinity(), INT64_MAX,
                   [](auto x, auto best) { return x < best; });
}

void evaluate_l1(OpCall& call) {
  reduce_floats(
      call, 0, [](double s, double x) { return s + std::abs(x); }, keep_state);
}

void evaluate_sum_square(OpCall& call) {
  reduce_floats(
      call, 0, [](double s, double x) { return s + x * x; }, keep_state);
}

void evaluate_l2(OpCall& call) {
  reduce_floats(
      call, 0, [](double s, double x) { return s + x * x; },
      [](double s, int64_t) { return std::sqrt(s); });
}

void evaluate_log_sum(OpCall& call) {
  reduce_floats(call, 0, add_to, [](double s, int64_t) { return std::log(s); });
}

void evaluate_log_sum_exp(OpCall& call) {  // in double: no float overflows it before 709
  struct Running {
    double top, sum;
  };
  const double low = -std::numeric_limits<double>::infinity();
  fold_dimensions<Running>(
      call, call.f32(0), call.y(), Running{low, 0},
      [=](Running s, float value) {
        const double x = static_cast<double>(value);
        if (x == low) return s;
        if (x <= s.top) return Running{s.top, s.sum + std::exp(x - s.top)};
        return Running{x, s.sum * std::exp(s.top - x) + 1.0};
      },
      [](const Running& s, int64_t) { return s.top + std::log(s.sum); });
}

void infer_arg(OpCall& call) {
  const size_t axis = call.axis(call.node.int_or("axis", 0), call.rank(0));
  Shape out = call.shape(0);
  call.need(out[axis] > 0, "the reduced dimension is empty");
  out[axis] = 1;
  if (call.node.int_or("keepdims", 1) == 0) out.erase(out.begin() + static_cast<ptrdiff_t>(axis));
  call.result(0, DType::i64, out);
}

template <class Better>
void evaluate_arg(OpCall& call, Better better) {
  const AxisView view(call.shape(0), call.axis(call.node.int_or("axis", 0), call.rank(0)));
  const bool last = call.node.int_or("select_last_index", 0) != 0;
  auto search = [&](const auto& x) {
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        const auto* row = x.data() + o * view.length * view.inner + i;
        int64_t best = 0;
        for (int64_t n = 1; n < view.length; ++n) {
          const auto candidate = row[n * view.inner], held = row[best * view.inner];
          if (better(candidate, held) || (last && candidate == held)) best = n;
        }
        call.yi()[static_cast<size_t>(o * view.inner + i)] = best;
      }
    }
  };
  if (call.in(0).dtype == DType::f32) {
    search(call.f32(0));
  } else {
    search(call.i64(0));
  }
}

void evaluate_arg_max(OpCall& call) {
  evaluate_arg(call, [](auto x, auto best) { return x > best; });
}

void evaluate_arg_min(OpCall& call) {
  evaluate_arg(call, [](auto x, auto best) { return x < best; });
}

void infer_cumsum(OpCall& call) {
  call.need(call.known(1) && call.elements(1) == 1, "the axis must be a constant scalar");
  call.axis(call.i64(1)[0], call.rank(0));
  call.same_as(0);
}

void evaluate_cumsum(OpCall& call) {
  const AxisView view(call.shape(0), call.axis(call.i64(1)[0], call.rank(0)));
  const bool exclusive = call.node.int_or("exclusive", 0) != 0;
  const bool reverse = call.node.int_or("reverse", 0) != 0;
  auto run = [&](const auto& x, auto& y, auto add) {
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        std::decay_t<decltype(x[0])> sum = 0;
        for (int64_t n = 0; n < view.length; ++n) {
          const int64_t row = reverse ? view.length - 1 - n : n;
          const size_t at = static_cast<size_t>((o * view.length + row) * view.inner + i);
          const auto next = add(sum, x[at]);
          y[at] = exclusive ? sum : next;
          sum = next;
        }
      }
    }
  };
  if (call.in(0).dtype == DType::f32) {
    run(call.f32(0), call.y(), [](float a, float b) { return a + b; });
  } else {
    run(call.i64(0), call.yi(), wrapping_add);
  }
}

void infer_global_pool(OpCall& call) {
  call.need_dtype(0, DType::f32);
  call.need(call.rank(0) >= 3, "needs a batch, channels and at least one more dimension");
  Shape out = call.shape(0);
  std::fill(out.begin() + 2, out.end(), 1);
  call.result(0, DType::f32, out);
}

void evaluate_global_pool(OpCall& call, bool mean) {
  const AxisView view(call.shape(0), 1);
  const float* x = call.f32(0).data();
  for (float& y : call.y()) {
    double sum = 0;
    float top = -std::numeric_limits<float>::infinity();
    for (int64_t i = 0; i < view.inner; ++i) {
      sum += static_cast<double>(x[i]);
      top = std::max(top, x[i]);
    }
    y = mean ? static_cast<float>(sum / static_cast<double>(view.inner)) : top;
    x += view.inner;
  }
}

void evaluate_global_average(OpCall& call) { evaluate_global_pool(call, true); }
void evaluate_global_max(OpCall& call) { evaluate_global_pool(call, false); }

constexpr OpRule kReduceRules[] = {
    {"", "ArgMax", infer_arg, evaluate_arg_max},
    {"", "ArgMin", infer_arg, evaluate_arg_min},
    {"", "CumSum", infer_cumsum, evaluate_cumsum},
    {"", "GlobalAveragePool", infer_global_pool, evaluate_global_average},
    {"", "GlobalMaxPool", infer_global_pool, evaluate_global_max},
    {"", "ReduceL1", infer_float_reduce, evaluate_l1},
    {"", "ReduceL2", infer_float_reduce, evaluate_l2},
    {"", "ReduceLogSum", infer_float_reduce, evaluate_log_sum},
    {"", "ReduceLogSumExp", infer_float_reduce, evaluate_log_sum_exp},
    {"", "ReduceMax", infer_reduce, evaluate_max},
    {"", "ReduceMean", infer_reduce, evaluate_mean},
    {"", "ReduceMin", infer_reduce, evaluate_min},
    {"", "ReduceProd", infer_reduce, evaluate_prod},
    {"", "ReduceSum", infer_reduce, evaluate_sum},
    {"", "ReduceSumSquare", infer_float_reduce, evaluate_sum_square},
};

}  // namespace

std::span<const OpRule> reduce_rules() { return kReduceRules; }

}  // namespace heed::graph
