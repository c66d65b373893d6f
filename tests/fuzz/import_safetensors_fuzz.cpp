// A .safetensors file: its header checked, every tensor widened.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "converter/graph/convert_error.h"
#include "converter/safetensors/safetensors_file.h"
#include "tests/fuzz/fuzz_target.h"

namespace heed::test {
namespace {

void run(std::span<const uint8_t> bytes) {
  const int file = memfd_create("safetensors", 0);
  if (file < 0 || write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    abort();
  try {
    const safetensors::SafetensorsFile opened("/proc/self/fd/" + std::to_string(file));
    for (const auto& [name, tensor] : opened.tensors())
      (void)safetensors::make_constant(name, tensor);
  } catch (const ConvertError&) {
  }
  close(file);
}

FuzzBytes with_header(const std::string& header, size_t data) {
  FuzzBytes bytes;
  for (int shift = 0; shift < 64; shift += 8)
    bytes.push_back(static_cast<uint8_t>(uint64_t{header.size()} >> shift));
  bytes.insert(bytes.end(), header.begin(), header.end());
  for (size_t i = 0; i < data; ++i) bytes.push_back(static_cast<uint8_t>(i * 7));
  return bytes;
}

std::vector<FuzzBytes> seeds() {
  return {with_header(R"({"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                      R"("b":{"dtype":"F16","shape":[4],"data_offsets":[24,32]}})",
                      32),
          with_header(R"({"__metadata__":{"format":"pt"},)"
                      R"("w":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},)"
                      R"("i":{"dtype":"I64","shape":[],"data_offsets":[8,16]},)"
                      R"("u":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}})",
                      19)};
}

const FuzzTarget kTarget = {"import_safetensors", run, seeds, nullptr};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
