// The law of change, held to: files of the first version of the format, as they were written then,
// open in every later reader and run to the bits that are recorded beside them.
//
// tests/golden/v1/recorded.txt has a line for each output: file, entry point, output, its values in
// hexadecimal. Entry points run in their order, twice, from inputs that SeededRandom(1) draws. A
// new file gets its lines from what this test prints without them; a line never changes.

#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/heed.hpp"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

const std::filesystem::path kFolder = std::filesystem::path(HEED_SOURCE_DIR) / "tests/golden/v1";

/// "file entry output" to the rest of the line.
std::map<std::string, std::string> recorded() {
  std::map<std::string, std::string> lines;
  std::ifstream file(kFolder / "recorded.txt");
  for (std::string name, entry, output, values; file >> name >> entry >> output;) {
    std::getline(file, values);
    lines[name + " " + entry + " " + output] = values;
  }
  return lines;
}

void fill_inputs(const Model& model, Session& session, const heed_entry_point& entry,
                 SeededRandom& random) {
  for (int32_t i = 0; i < entry.inputs; ++i) {
    heed_tensor named{}, tensor{};
    REQUIRE(heed_model_input(model.get(), entry.name, i, &named) == HEED_OK);
    REQUIRE(heed_session_input(session.get(), entry.name, named.name, &tensor) == HEED_OK);
    if (tensor.type == HEED_I64) {
      for (int64_t& id : std::span(static_cast<int64_t*>(tensor.data), tensor.bytes / 8))
        id = random.integer(0, 2);
    } else if (tensor.type == HEED_I32) {
      for (int32_t& id : std::span(static_cast<int32_t*>(tensor.data), tensor.bytes / 4))
        id = static_cast<int32_t>(random.integer(0, 2));
    } else {
      REQUIRE(tensor.type == HEED_F32);
      random.fill(std::span(static_cast<float*>(tensor.data), tensor.bytes / 4));
    }
  }
}

std::string values_of(const heed_tensor& tensor) {
  std::string text;
  REQUIRE(tensor.type == HEED_F32);
  for (size_t i = 0; i < tensor.bytes / sizeof(float); ++i) {
    char value[40];
    std::snprintf(value, sizeof value, " %a",
                  static_cast<double>(static_cast<float*>(tensor.data)[i]));
    text += value;
  }
  return text;
}

/// Runs all entry points in order; "file entry output" to the values.
std::map<std::string, std::string> computed(const Model& model, const std::string& file,
                                            int32_t threads) {
  heed_options options{};
  options.threads = threads;
  Session session;
  REQUIRE(session.create(model, options) == Status::ok);
  SeededRandom random(1);
  std::map<std::string, std::string> lines;
  for (int32_t run = 0; run < 2; ++run) {
    heed_entry_point entry{};
    for (int32_t e = 0; heed_model_entry_point(model.get(), e, &entry) == HEED_OK; ++e) {
      fill_inputs(model, session, entry, random);
      REQUIRE(session.run(entry.name) == Status::ok);
      for (int32_t i = 0; i < entry.outputs; ++i) {
        heed_tensor named{}, tensor{};
        REQUIRE(heed_model_output(model.get(), entry.name, i, &named) == HEED_OK);
        REQUIRE(heed_session_output(session.get(), entry.name, named.name, &tensor) == HEED_OK);
        lines[file + " " + entry.name + " " + named.name] = values_of(tensor);
      }
    }
  }
  return lines;
}

}  // namespace

TEST_CASE("files of the first version run to the bits that were recorded then") {
  std::map<std::string, std::string> expected = recorded();
  REQUIRE(expected.size() > 0);
  std::set<std::string> seen;
  for (const auto& path : std::filesystem::directory_iterator(kFolder)) {
    if (path.path().extension() != ".heed") continue;
    Model model;
    Diagnostic diagnostic;
    const Status opened = model.open(path.path().c_str(), &diagnostic);
    INFO(path.path() << ": " << diagnostic.text());
    REQUIRE(opened == Status::ok);
    for (const int32_t threads : {1, 2}) {
      for (const auto& [name, values] : computed(model, path.path().filename().string(), threads)) {
        INFO(name << values);
        CHECK(expected[name] == values);
        seen.insert(name);
      }
    }
  }
  for (const auto& [name, values] : expected) CHECK(seen.count(name) == 1);  // no file is missing
}
