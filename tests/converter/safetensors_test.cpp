// Weights of a checkpoint's folder: types, shards, and files that lie.

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "converter/graph/convert_error.h"
#include "converter/safetensors/checkpoint_folder.h"
#include "converter/safetensors/json_tree.h"
#include "tests/support/family_golden.h"
#include "tests/support/temporary_folder.h"

namespace {

using heed::safetensors::CheckpointFolder;
using heed::safetensors::SafetensorsFile;
using heed::test::TemporaryFolder;

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string with_header(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  std::string bytes(8, 0);
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + data;
}

std::string refusal(const std::string& path) {
  try {
    SafetensorsFile file(path);
  } catch (const heed::ConvertError& error) {
    return error.what();
  }
  return "";
}

std::string record(const std::string& dtype, const std::string& shape, const std::string& range) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + range +
         "}}";
}

}  // namespace

TEST_CASE("tensors of every type come as float32 or int64") {
  TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  const auto read = [&](const std::string& dtype, const std::string& bytes) {
    write(path,
          with_header(record(dtype, "[1]", "[0," + std::to_string(bytes.size()) + "]"), bytes));
    const SafetensorsFile file(path);
    return heed::safetensors::make_constant("a", file.tensors().at("a"));
  };
  CHECK(read("F32", std::string("\0\0\xc0\x3f", 4))->f32 == std::vector<float>{1.5f});
  CHECK(read("F16", std::string("\0\x3e", 2))->f32 == std::vector<float>{1.5f});
  CHECK(read("BF16", std::string("\xc0\x3f", 2))->f32 == std::vector<float>{1.5f});
  CHECK(read("F64", std::string("\0\0\0\0\0\0\xf8\x3f", 8))->f32 == std::vector<float>{1.5f});
  CHECK(read("I64", std::string("\xfe\xff\xff\xff\xff\xff\xff\xff", 8))->i64 ==
        std::vector<int64_t>{-2});
  CHECK(read("I32", std::string("\xfe\xff\xff\xff", 4))->i64 == std::vector<int64_t>{-2});
  CHECK(read("U8", "\xfe")->i64 == std::vector<int64_t>{254});
  CHECK(read("BOOL", "\x01")->i64 == std::vector<int64_t>{1});
  CHECK_THROWS_AS(read("F8_E4M3", "\x01"), heed::ConvertError);
}

TEST_CASE("a safetensors file that lies about itself is refused") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.safetensors");
  const auto refused = [&](const std::string& bytes) {
    write(path, bytes);
    return refusal(path);
  };
  const auto says = [&](const std::string& bytes, const std::string& words) {
    INFO(refused(bytes));
    CHECK(refused(bytes).find(words) != std::string::npos);
  };
  says("1234567", "its header is longer than the file");
  says(std::string(8, '\xff') + "{}", "its header is longer than the file");
  says(std::string("\x03\0\0\0\0\0\0\0{}", 10), "its header is longer than the file");
  says(with_header("[]", ""), "its header is no object");
  says(with_header("{\"a\"", ""), "not valid JSON");
  says(with_header(std::string(1000, '['), ""), "nested too deep");
  says(with_header(record("F32", "[2]", "[0,8]"), "1234"), "beyond the end of the file");
  says(with_header(record("F32", "[2]", "[8,0]"), "12345678"), "beyond the end of the file");
  says(with_header(record("F32", "[2]", "[-8,0]"), "12345678"), "beyond the end of the file");
  says(with_header(record("F32", "[3]", "[0,8]"), "12345678"), "needs 12 bytes, but has 8");
  says(with_header(record("F32", "[-1]", "[0,8]"), "12345678"), "no size");
  says(with_header(record("F32", "[4294967296,4294967296]", "[0,8]"), "12345678"), "out of range");
  says(with_header(record("F32", "[1.5]", "[0,8]"), "12345678"), "no size");
  says(with_header(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", "12345678"), "no dtype");
  says(with_header(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", "12345678"), "no shape");
  says(with_header(R"({"a":{"dtype":"F32","shape":[2]}})", "12345678"), "no data_offsets");
  says(with_header(R"({"a":7})", "12345678"), "no dtype");
}

TEST_CASE("weights in several files are found by their index") {
  TemporaryFolder folder;
  write(folder.file("config.json"), "{}");
  const auto index = [&](const std::string& map) {
    write(folder.file("model.safetensors.index.json"), R"({"weight_map":)" + map + "}");
    return CheckpointFolder(folder.path().string());
  };
  heed::test::write_safetensors(folder.file("one.safetensors"), {{"a", {2}, {1, 2}, {}}});
  heed::test::write_safetensors(folder.file("two.safetensors"), {{"b", {1}, {3}, {}}});
  CheckpointFolder both = index(R"({"a":"one.safetensors","b":"two.safetensors"})");
  CHECK(both.tensor("a")->f32 == std::vector<float>{1, 2});
  CHECK(both.tensor("b")->f32 == std::vector<float>{3});
  CHECK(both.tensor("a") == both.tensor("a"));
  CHECK_FALSE(both.has("c"));
  CHECK_THROWS_AS(both.tensor("c"), heed::ConvertError);
  CHECK_THROWS_AS(index(R"({"a":"two.safetensors"})"), heed::ConvertError);
  CHECK_THROWS_AS(index(R"({"a":"none.safetensors"})"), heed::ConvertError);
  CHECK_THROWS_AS(index(R"({"a":"../one.safetensors"})"), heed::ConvertError);
  CHECK_THROWS_AS(index(R"({"a":7})"), heed::ConvertError);
  CHECK_THROWS_AS(index("[]"), heed::ConvertError);
}
