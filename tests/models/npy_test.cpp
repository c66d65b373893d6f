#include "models/tensors/npy.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>

#include "tests/support/temporary_folder.h"

namespace {

std::vector<uint8_t> npy_bytes(const std::string& header, const std::vector<uint8_t>& data) {
  std::vector<uint8_t> bytes = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
  bytes.push_back(static_cast<uint8_t>(header.size() & 255));
  bytes.push_back(static_cast<uint8_t>(header.size() >> 8));
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

}  // namespace

TEST_CASE("a tensor written as .npy is read back with its type, shape and values") {
  const heed::test::TemporaryFolder folder;
  const std::string path = folder.file("test.npy");
  const float values[6] = {1, -2, 3.5f, 0, 1e30f, -1e-30f};
  std::string error;
  REQUIRE(heed::write_npy(path, heed::NpyType::f32, {2, 3}, values, &error));
  heed::Npy npy;
  REQUIRE(heed::read_npy(path, &npy, &error));
  CHECK(npy.type == heed::NpyType::f32);
  CHECK(npy.shape == std::vector<int64_t>{2, 3});
  CHECK(std::memcmp(npy.bytes.data(), values, sizeof values) == 0);
}

TEST_CASE("half floats widen exactly, zeros and subnormals included") {
  const std::vector<uint8_t> data = {0x00, 0x3C, 0x00, 0xC0, 0x01, 0x00, 0x00, 0x80, 0x00, 0x7C};
  heed::Npy npy;
  std::string error;
  const auto bytes = npy_bytes("{'descr': '<f2', 'fortran_order': False, 'shape': (5,), }\n", data);
  REQUIRE(heed::decode_npy(bytes.data(), bytes.size(), &npy, &error));
  const std::vector<float> values = npy.floats();
  CHECK(values[0] == 1.0f);
  CHECK(values[1] == -2.0f);
  CHECK(values[2] == 5.9604644775390625e-08f);
  CHECK(values[3] == 0.0f);
  CHECK(values[4] > 3e38f);
}

TEST_CASE("floats that no integer holds become the nearest one, and no number becomes nought") {
  const double values[] = {-1e30, 1e30, 9223372036854775807.0, -0x1p63, NAN, -2.9};
  const auto* first = reinterpret_cast<const uint8_t*>(values);
  heed::Npy npy;
  std::string error;
  const auto bytes = npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (6,), }\n",
                               {first, first + sizeof values});
  REQUIRE(heed::decode_npy(bytes.data(), bytes.size(), &npy, &error));
  CHECK(npy.integers() == std::vector<int64_t>{INT64_MIN, INT64_MAX, INT64_MAX, INT64_MIN, 0, -2});
}

TEST_CASE("an .npy file that lies is refused with its reason") {
  heed::Npy npy;
  std::string error;
  const auto refused = [&](const std::vector<uint8_t>& bytes, const char* why) {
    CHECK_FALSE(heed::decode_npy(bytes.data(), bytes.size(), &npy, &error));
    INFO(error);
    CHECK(error.find(why) != std::string::npos);
  };
  const std::vector<uint8_t> four(16, 0);
  refused({'P', 'K', 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "is not an .npy file");
  refused(npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }\n", four),
          "cut short");
  refused(npy_bytes("{'descr': '<f4', 'fortran_order': True, 'shape': (2,2), }\n", four),
          "Fortran");
  refused(npy_bytes("{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }\n", four),
          "not read");
  refused(
      npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }\n",
                four),
      "shape");
  refused(npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (4", four), "shape");
  const auto whole = npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n", four);
  for (size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(heed::decode_npy(whole.data(), size, &npy, &error));
  REQUIRE(heed::decode_npy(whole.data(), whole.size(), &npy, &error));
}
