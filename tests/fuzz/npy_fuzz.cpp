// An .npy file: decoded, and its elements converted.

#include <cstdlib>

#include "models/tensors/npy.h"
#include "tests/fuzz/fuzz_target.h"

namespace heed::test {
namespace {

void run(std::span<const uint8_t> bytes) {
  const FuzzBytes exact(bytes.begin(), bytes.end());  // of its own: a step beyond is seen
  Npy npy;
  std::string error;
  if (!decode_npy(exact.data(), exact.size(), &npy, &error)) {
    if (error.empty()) abort();
    return;
  }
  const auto elements = static_cast<size_t>(npy.elements());
  if (npy.bytes.size() != elements * npy_element_bytes(npy.type)) abort();
  if (npy.floats().size() != elements || npy.integers().size() != elements) abort();
}

FuzzBytes npy(char version, const std::string& descr, const std::string& shape, size_t bytes) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  header += '\n';
  FuzzBytes b = to_bytes("\x93NUMPY");
  b.push_back(static_cast<uint8_t>(version));
  b.push_back(0);
  b.push_back(static_cast<uint8_t>(header.size()));
  b.push_back(0);
  if (version > 1) b.insert(b.end(), 2, 0);
  b.insert(b.end(), header.begin(), header.end());
  for (size_t i = 0; i < bytes; ++i) b.push_back(static_cast<uint8_t>(i * 29));
  return b;
}

std::vector<FuzzBytes> seeds() {
  return {npy(1, "<f4", "(2, 3)", 24), npy(2, "<f8", "(2,)", 16), npy(3, "<f2", "(4, 1)", 8),
          npy(1, "<i8", "()", 8),      npy(1, "|b1", "(3,)", 3),  npy(1, "<i4", "(0, 7)", 0),
          npy(1, "|u1", "(2, 2)", 4),  npy(1, "|i1", "(5,)", 5)};
}

const FuzzTarget kTarget = {"npy", run, seeds, nullptr};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
