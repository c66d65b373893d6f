#include "converter/write/write_model.h"

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "converter/graph/convert_error.h"
#include "converter/write/sha256.h"
#include "tests/support/temporary_folder.h"

using heed::DataType;
using heed::FileModel;

namespace {

std::string sha(const std::string& text) {
  heed::Sha256 digest;
  // In uneven pieces, to cross block borders.
  for (size_t i = 0; i < text.size(); i += 37) {
    const std::string piece = text.substr(i, 37);
    digest.update(piece.data(), piece.size());
  }
  return digest.hex();
}

FileModel small_model() {
  FileModel file;
  file.model.version = 1000;
  const float values[20] = {1, 2, 3};
  const int32_t x = file.add_arena("x", DataType::f32, {20});
  file.add_arena("never used", DataType::f32, {1000});
  const int32_t w = file.add_constant("w", DataType::f32, {20}, values, sizeof values);
  const int32_t again = file.add_constant("w again", DataType::f32, {4, 5}, values, sizeof values);
  const int32_t y = file.add_arena("y", DataType::f32, {20});
  const int32_t part = file.add_view("part", y, 16, DataType::f32, {4});
  file.add_view("part of the part", part, 8, DataType::f32, {2});
  auto entry = std::make_unique<heed::fb::EntryPointT>();
  entry->name = "main";
  entry->inputs = {x};
  entry->outputs = {part};
  auto op = std::make_unique<heed::fb::OpT>();
  op->options.Set(heed::fb::BinaryOptionsT{});
  op->inputs = {x, w};
  op->outputs = {y};
  entry->ops.push_back(std::move(op));
  op = std::make_unique<heed::fb::OpT>();
  op->options.Set(heed::fb::CopyOptionsT{});
  op->inputs = {again};
  op->outputs = {y};
  entry->ops.push_back(std::move(op));
  file.model.entry_points.push_back(std::move(entry));
  return file;
}

}  // namespace

TEST_CASE("SHA-256 of the standard's examples") {
  CHECK(sha("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("Equal constants are stored once, and blobs lie at multiples of 64") {
  FileModel file = small_model();
  CHECK(file.tensor(2).blob->offset() == file.tensor(3).blob->offset());
  const float one = 1;
  const int32_t next = file.add_constant("one", DataType::f32, {1}, &one, sizeof one);
  CHECK(file.tensor(next).blob->offset() == 128);
  CHECK(file.blobs().size() == 128 + sizeof one);
}

TEST_CASE("Tensors that nothing refers to are dropped, and a view keeps its parent") {
  FileModel file = small_model();
  heed::drop_unused_tensors(file);
  REQUIRE(file.model.tensors.size() == 5);
  CHECK(file.tensor(0).name == "x");
  CHECK(file.tensor(3).name == "y");
  CHECK(file.tensor(4).name == "part");
  CHECK(file.tensor(4).parent == 3);
  CHECK(file.model.entry_points[0]->outputs[0] == 4);
}

TEST_CASE("The same model gives the same bytes, laid out as a prefix, tables, padding and blobs") {
  FileModel one = small_model(), two = small_model();
  const auto bytes = heed::serialize(one);
  CHECK(bytes == heed::serialize(two));
  uint32_t tables = 0;
  std::memcpy(&tables, bytes.data(), sizeof tables);
  const size_t blobs = heed::round_up(sizeof tables + tables, 64);
  REQUIRE(bytes.size() == blobs + one.blobs().size());
  for (size_t i = sizeof tables + tables; i < blobs; ++i) CHECK(bytes[i] == std::byte{0});
  CHECK(std::memcmp(bytes.data() + blobs, one.blobs().data(), one.blobs().size()) == 0);
  CHECK(std::memcmp(bytes.data() + 8, "HEED", 4) == 0);
}

TEST_CASE("A file that is not kept leaves nothing behind and what was there untouched") {
  const heed::test::TemporaryFolder folder;
  const std::string path = folder.write("model.heed", "old");
  {
    const heed::FileBeside beside(path, std::vector<std::byte>(100));
    CHECK(std::filesystem::exists(beside.temporary()));
  }
  CHECK(folder.files() == 1);
  std::string text;
  std::ifstream(path) >> text;
  CHECK(text == "old");
}

TEST_CASE("A file that is kept replaces what was there") {
  const heed::test::TemporaryFolder folder;
  const std::string path = folder.write("model.heed", "old");
  heed::FileBeside beside(path, std::vector<std::byte>(100));
  beside.keep();
  CHECK(std::filesystem::file_size(path) == 100);
  CHECK(folder.files() == 1);
}

TEST_CASE("A folder that does not exist is refused with the file's name") {
  try {
    const heed::FileBeside beside("/no/such/folder/model.heed", {});
    FAIL("written");
  } catch (const heed::ConvertError& error) {
    CHECK(std::string(error.what()).find("/no/such/folder/model.heed") != std::string::npos);
  }
}
