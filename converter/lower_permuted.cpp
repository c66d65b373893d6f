// A transpose that one Rows op alone reads, as the patches of a picture are: that op gathers its
// rows from the tensor before the transpose, and the transposed one, written and read once, never
// exists.

#include <cstddef>
#include <string>
#include <vector>

#include "converter/lowering.h"

namespace heed {
namespace {

// Runs of two and more are gathered in a quarter to a half of the time of a transpose and the rows
// of its result; single floats, of which a transpose copies squares, in 0.6 to 1.3 times that.
constexpr int64_t kRunMin = 2;

/// How many floats of the permuted tensor's innermost dimensions follow one another in x.
int64_t run_of(const Dims& x, const std::vector<uint32_t>& order) {
  int64_t run = 1;
  size_t next = x.size();
  for (size_t d = x.size(); d-- > 0;) {
    if (x[order[d]] == 1) continue;
    while (x[--next] == 1) continue;
    if (order[d] != next) break;
    run *= x[next];
  }
  return run;
}

/// Whether the last of the permuted dimensions join to rows of `width`.
bool join_to_rows(const Dims& x, const std::vector<uint32_t>& order, int64_t width) {
  int64_t joined = 1;
  for (size_t d = order.size(); d-- > 0 && joined < width;) joined *= x[order[d]];
  return joined == width;
}

}  // namespace

void Lowering::fold_transposes() {
  const auto root = [&](int32_t index) {
    const int32_t parent = index < 0 ? -1 : file_.tensor(index).parent;
    return parent < 0 ? index : parent;
  };
  // By root: how many operands lie in it, outputs of the entry point among them, and who reads it.
  struct Uses {
    int32_t count = 0;
    fb::OpT* reader = nullptr;
  };
  std::vector<Uses> uses(file_.model.tensors.size());
  const auto use = [&](int32_t index, fb::OpT* reader) {
    if (index < 0) return;
    Uses& of = uses[static_cast<size_t>(root(index))];
    ++of.count;
    if (reader) of.reader = reader;
  };
  for (auto& op : entry_.ops) {
    each_read(*op, [&](int32_t index) { use(index, op.get()); });
    for (const int32_t index : op->outputs) use(index, nullptr);
  }
  for (const int32_t index : entry_.outputs) use(index, nullptr);

  std::vector<std::string> folded;
  std::erase_if(entry_.ops, [&](const std::unique_ptr<fb::OpT>& op) {
    if (!op->options.AsTransposeOptions()) return false;
    const int32_t source = root(op->inputs[0]), made = root(op->outputs[0]);
    const Uses& of = uses[static_cast<size_t>(made)];
    const bool alone = of.count == 2 && of.reader && root(of.reader->inputs[0]) == made;
    // State may be written between the two ops.
    if (!alone || file_.tensor(source).storage != fb::Storage::arena) return false;
    if (!rows_permute(*of.reader, *op)) return false;
    folded.push_back(op->name);
    return true;
  });
  // Such a node is no general op, unless another op is made of it.
  for (const auto& op : entry_.ops) std::erase(folded, op->name);
  for (const std::string& name : folded) std::erase(general_nodes_, name);
}

/// Makes a Rows op read what the transpose reads, if it can and if that pays.
bool Lowering::rows_permute(fb::OpT& rows, const fb::OpT& transpose) {
  fb::RowsOptionsT* options = rows.options.AsRowsOptions();
  if (!options || options->row_width || options->hop || !options->permutation.empty()) return false;
  const std::vector<uint32_t>& order = transpose.options.AsTransposeOptions()->permutation;
  int32_t x = transpose.inputs[0];
  Dims from = file_.tensor(x).shape;
  const Dims& to = file_.tensor(rows.inputs[0]).shape;
  const uint32_t width = to.back();
  if (file_.tensor(x).dtype != DataType::f32 || run_of(from, order) < kRunMin ||
      element_count(from) != element_count(to) || !join_to_rows(from, order, width))
    return false;
  options->permutation = order;
  // Rows as wide as x's own are told from them by a dimension more (RowsOptions in model.fbs).
  if (from.back() == width) {
    if (from.size() == static_cast<size_t>(kMaxRank)) {
      options->permutation.clear();
      return false;
    }
    options->permutation.push_back(static_cast<uint32_t>(from.size()));
    from.push_back(1);
    x = view(x, 0, from);
  }
  rows.inputs[0] = x;
  return true;
}

}  // namespace heed
