// Element by element, and reductions: one kind of each sort, in the cache and beyond it.

#include "ops/elementwise/elementwise.h"
#include "ops/reduce/reduce.h"
#include "tests/bench/race.h"
#include "tests/support/seeded_random.h"

namespace heed::bench {
namespace {

constexpr int64_t kCounts[] = {4096, 98304, 4 << 20};

struct Operands {
  explicit Operands(int64_t count)
      : n(count),
        a(static_cast<size_t>(n)),
        b(static_cast<size_t>(n)),
        y(static_cast<size_t>(n)),
        flags(static_cast<size_t>(n)) {
    test::SeededRandom random(1);
    random.fill(a.span(), 0.1f, 4.0f);
    random.fill(b.span(), 0.1f, 4.0f);
    for (size_t i = 0; i < flags.span().size(); ++i) flags.data()[i] = i % 3 == 0;
  }
  Work work(const char* family, const std::string& kind, double read, double written) const {
    const double values = static_cast<double>(n);
    return {family, std::to_string(n) + " " + kind, 0, read * values, written * values};
  }

  int64_t n;
  Buffer<float> a, b, y;
  Buffer<uint8_t> flags;
};

template <typename Run>
void elementwise(const Work& work, Race* race, Run run) {
  std::vector<Contender> contenders;
  const ElementwiseKernelList list = elementwise_kernels();
  for (size_t i = 0; i < list.count; ++i) {
    const ElementwiseKernel* kernel = list.items[i];
    if (race->enters(work, kernel->name, kernel->isa))
      contenders.push_back({kernel->name, [=] { run(*kernel); }});
  }
  race->run(work, contenders);
}

void unary(Operands* o, Race* race) {
  const std::pair<UnaryKind, const char*> kinds[] = {
      {UnaryKind::neg, "neg"},   {UnaryKind::exp, "exp"}, {UnaryKind::log, "log"},
      {UnaryKind::sqrt, "sqrt"}, {UnaryKind::erf, "erf"}, {UnaryKind::hard_swish, "hard_swish"},
      {UnaryKind::sin, "sin"},   {UnaryKind::elu, "elu"},
  };
  for (const auto& [kind, name] : kinds)
    elementwise(o->work("elementwise", name, 4, 4), race,
                [o, kind = kind](const ElementwiseKernel& kernel) {
                  kernel.unary({o->a.data(), o->y.data(), o->n, 1, 0}, kind);
                });
}

void binary(Operands* o, Race* race) {
  const std::pair<BinaryKind, const char*> kinds[] = {{BinaryKind::add, "add"},
                                                      {BinaryKind::mul, "mul"},
                                                      {BinaryKind::div, "div"},
                                                      {BinaryKind::pow, "pow"}};
  for (const auto& [kind, name] : kinds)
    elementwise(o->work("elementwise", name, 8, 4), race,
                [o, kind = kind](const ElementwiseKernel& kernel) {
                  kernel.binary({o->a.data(), o->b.data(), 1, 1, o->y.data(), o->n}, kind);
                });
  elementwise(o->work("elementwise", "add one", 4, 4), race, [o](const ElementwiseKernel& kernel) {
    kernel.binary({o->a.data(), o->b.data(), 1, 0, o->y.data(), o->n}, BinaryKind::add);
  });
  elementwise(o->work("elementwise", "less", 8, 1), race, [o](const ElementwiseKernel& kernel) {
    kernel.compare({o->a.data(), o->b.data(), 1, 1, o->flags.data(), o->n}, BinaryKind::less);
  });
  elementwise(o->work("elementwise", "select", 9, 4), race, [o](const ElementwiseKernel& kernel) {
    kernel.select({o->flags.data(), o->a.data(), o->b.data(), 1, 1, 1, o->y.data(), o->n});
  });
}

void reduce(Operands* o, Race* race) {
  const std::pair<ReduceKind, const char*> kinds[] = {{ReduceKind::mean, "mean"},
                                                      {ReduceKind::max, "max"},
                                                      {ReduceKind::sum_square, "sum_square"},
                                                      {ReduceKind::log_sum_exp, "log_sum_exp"},
                                                      {ReduceKind::arg_max, "arg_max"}};
  Buffer<int64_t> index(static_cast<size_t>(o->n));
  const ReduceKernelList list = reduce_kernels();
  for (const bool rows : {true, false})
    for (const auto& [kind, name] : kinds) {
      if (!rows && is_arg(kind)) continue;  // plain code, one implementation
      const int64_t outer = rows ? o->n / 64 : 1, inner = rows ? 1 : 64;
      const ReduceArgs args = {o->a.data(), o->y.data(),           index.data(),
                               outer,       rows ? 64 : o->n / 64, inner};
      const Work work = o->work("reduce", std::string(name) + (rows ? " of rows" : " of columns"),
                                4, rows ? 4.0 / 64 : 256.0 / static_cast<double>(o->n));
      std::vector<Contender> contenders;
      for (size_t i = 0; i < list.count; ++i) {
        const ReduceKernel* kernel = list.items[i];
        if (race->enters(work, kernel->name, kernel->isa))
          contenders.push_back({kernel->name, [=, kind = kind] { kernel->run(args, kind); }});
      }
      race->run(work, contenders);
    }
}

}  // namespace

void race_elementwise(Race* race) {
  for (const int64_t count : kCounts) {
    Operands operands(count);
    unary(&operands, race);
    binary(&operands, race);
    reduce(&operands, race);
  }
}

}  // namespace heed::bench
