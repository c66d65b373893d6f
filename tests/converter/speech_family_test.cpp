// Whisper's folder: the encoder of a window, the decoder over its caches, for one and for several
// sequences, next to transformers.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "tests/support/family_golden.h"
#include "tests/support/temporary_folder.h"

namespace {

using heed::Model;
using heed::test::FamilyGolden;

struct Session {
  heed_session* session = nullptr;
  ~Session() { heed_session_destroy(session); }
  heed_tensor input(const char* entry, const char* name) const {
    heed_tensor tensor{};
    REQUIRE(heed_session_input(session, entry, name, &tensor) == HEED_OK);
    return tensor;
  }
  const float* output(const char* entry, const char* name) const {
    heed_tensor tensor{};
    REQUIRE(heed_session_output(session, entry, name, &tensor) == HEED_OK);
    return static_cast<const float*>(tensor.data);
  }
  void run(const char* entry) const {
    heed_diagnostic diagnostic{};
    const heed_status status = heed_session_run(session, entry, &diagnostic);
    INFO(diagnostic.what);
    REQUIRE(status == HEED_OK);
  }
};

double largest_difference(const float* a, const float* b, size_t count) {
  double largest = 0;
  for (size_t i = 0; i < count; ++i)
    largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
  return largest;
}

void check_whisper(int64_t beams) {
  INFO("beams " << beams);
  const FamilyGolden golden = heed::test::read_family_golden("whisper");
  heed::test::TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  heed::ConvertOptions options;
  options.output = folder.file("float.heed");
  options.dims = {{"beams", beams}};
  options.keep_float = {"*"};
  options.random_samples = 0;
  heed::convert(folder.path().string(), options);
  Model model;
  REQUIRE(model.open(options.output.c_str()) == heed::Status::ok);
  Session s;
  heed_diagnostic diagnostic{};
  REQUIRE(heed_session_create(model.get(), nullptr, nullptr, 0, &s.session, &diagnostic) ==
          HEED_OK);

  const heed_tensor mel = s.input("encode_2s", "mel");
  REQUIRE(mel.bytes == golden.inputs[0].floats.size() * sizeof(float));
  std::memcpy(mel.data, golden.inputs[0].floats.data(), mel.bytes);
  s.run("encode_2s");
  const auto &logits = golden.outputs[0], &hidden = golden.outputs[1];
  const float* encoded = s.output("encode_2s", "hidden");
  for (size_t row = 0; row < 10; ++row)
    CHECK(largest_difference(encoded + row * 10 * 32, hidden.floats.data() + row * 32, 32) < 1e-4);

  const std::vector<int64_t>& said = golden.inputs[1].integers;
  const auto width = static_cast<size_t>(logits.shape[1]), rows = static_cast<size_t>(beams);
  const heed_tensor tokens = s.input("decode_step", "tokens");
  for (size_t t = 0; t < said.size(); ++t) {
    INFO("token " << t);
    std::fill_n(static_cast<int64_t*>(tokens.data), rows, said[t]);
    // Another sequence beside it changes nothing.
    if (rows > 1) static_cast<int64_t*>(tokens.data)[1] = static_cast<int64_t>(t);
    *static_cast<int64_t*>(s.input("decode_step", "position").data) = static_cast<int64_t>(t);
    *static_cast<int64_t*>(s.input("decode_step", "encoded").data) = 100;
    s.run("decode_step");
    const float* made = s.output("decode_step", "logits");
    for (const size_t row : {size_t{0}, rows - 1})
      CHECK(largest_difference(made + row * width, logits.floats.data() + t * width, width) < 1e-4);
  }
}

}  // namespace

TEST_CASE("a Whisper folder says transformers' tokens, alone and beside others") {
  check_whisper(1);
  check_whisper(3);
}
