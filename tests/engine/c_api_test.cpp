// The C API as a C program and a careless caller use it.

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "engine/heed.hpp"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

extern "C" heed_status heed_test_run_in_c(const void* file, size_t file_bytes, void* memory,
                                          size_t memory_bytes, const float* x, float* y,
                                          size_t count, heed_diagnostic* diagnostic);

TEST_CASE("a C program opens, runs and closes a model, and gets what C++ gets") {
  const AlignedBytes bytes = feed_forward_model().bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  Session session;
  REQUIRE(session.create(model) == Status::ok);
  std::vector<float> x(10 * 48), y(x.size());
  SeededRandom(3).fill(x);
  size_t needed = 0;
  REQUIRE(model.memory_needed({}, &needed) == Status::ok);
  AlignedBytes memory(needed);
  Diagnostic diagnostic;
  REQUIRE(heed_test_run_in_c(bytes.data(), bytes.size(), memory.data(), needed, x.data(), y.data(),
                             x.size(), &diagnostic) == HEED_OK);
  const auto input = session.input<float>("x");
  REQUIRE(input.size() == x.size());
  std::copy(x.begin(), x.end(), input.begin());
  REQUIRE(session.run() == Status::ok);
  const auto output = session.output<float>("y");
  REQUIRE(output.size() == y.size());
  CHECK(memcmp(output.data(), y.data(), y.size() * sizeof(float)) == 0);
}

TEST_CASE("every status has a text, and a diagnostic becomes one line") {
  for (const heed_status status :
       {HEED_OK, HEED_INVALID_ARGUMENT, HEED_NOT_FOUND, HEED_WRONG_STATE, HEED_IO_ERROR,
        HEED_OUT_OF_MEMORY, HEED_MEMORY_TOO_SMALL, HEED_NOT_A_MODEL, HEED_NEWER_VERSION,
        HEED_BAD_STRUCTURE, HEED_BAD_MODEL, HEED_BAD_PLAN, HEED_LIMIT_EXCEEDED, HEED_UNSUPPORTED,
        HEED_BAD_INPUT})
    CHECK(std::string(heed_status_text(status)) != "unknown status");
  CHECK(std::string(heed_status_text(static_cast<heed_status>(7))) == "unknown status");

  Diagnostic diagnostic;
  static_cast<heed_diagnostic&>(diagnostic) = {
      HEED_BAD_MODEL, "two operands differ in shape", "block 1", 3, -1, 12, 11};
  CHECK(diagnostic.text() == "block 1: two operands differ in shape: expected 12, found 11 (op 3)");
  char small[8];
  CHECK(heed_diagnostic_text(&diagnostic, small, sizeof small) == diagnostic.text().size());
  CHECK(std::string(small) == "block 1");
}

TEST_CASE("null pointers and unknown names are refused, not followed") {
  CHECK(heed_model_open_file(nullptr, nullptr, nullptr, nullptr) == HEED_INVALID_ARGUMENT);
  heed_model* none = nullptr;
  CHECK(heed_model_open_buffer(nullptr, 0, nullptr, &none, nullptr) == HEED_INVALID_ARGUMENT);
  CHECK(heed_memory_needed(nullptr, nullptr, nullptr, nullptr) == HEED_INVALID_ARGUMENT);
  CHECK(heed_session_run(nullptr, nullptr, nullptr) == HEED_INVALID_ARGUMENT);
  heed_model_close(nullptr);
  heed_session_destroy(nullptr);
  heed_session_reset(nullptr);
  heed_attention_clear(nullptr);

  const AlignedBytes bytes = feed_forward_model().bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  Session session;
  REQUIRE(session.create(model) == Status::ok);
  heed_tensor tensor;
  CHECK(heed_session_input(session.get(), nullptr, "nothing", &tensor) == HEED_NOT_FOUND);
  CHECK(heed_session_input(session.get(), "nowhere", nullptr, &tensor) == HEED_NOT_FOUND);
  CHECK(heed_session_tensor(session.get(), 999, &tensor) == HEED_INVALID_ARGUMENT);
  CHECK(session.input<int32_t>("x").empty());
  Diagnostic diagnostic;
  CHECK(session.run("nowhere", &diagnostic) == Status::not_found);
  CHECK(diagnostic.text() == "nowhere: there is no such entry point");
}

TEST_CASE("files that cannot be read say why and which") {
  Model model;
  Diagnostic diagnostic;
  CHECK(model.open("/nowhere/at/all.heed", &diagnostic) == Status::io_error);
  CHECK(diagnostic.text() == "/nowhere/at/all.heed: the file does not exist");
  CHECK(model.open("/", &diagnostic) == Status::io_error);
  CHECK_FALSE(model);
}

TEST_CASE("a file is mapped and gives the same model as its bytes in memory") {
  const AlignedBytes bytes = attention_model().bytes();
  const TemporaryFolder folder;
  const std::string path =
      folder.write("test.heed", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  Model model;
  REQUIRE(model.open(path.c_str()) == Status::ok);
  CHECK(model.info().file_bytes == bytes.size());
  {
    Session session;
    REQUIRE(session.create(model) == Status::ok);
    CHECK(session.run() == Status::ok);
  }
  heed_limits limits = heed_default_limits();
  limits.file_bytes = 100;
  Diagnostic diagnostic;
  CHECK(model.open(path.c_str(), &diagnostic, &limits) == Status::limit_exceeded);
  folder.write("test.heed", "");
  CHECK(model.open(path.c_str(), &diagnostic) == Status::not_a_model);
  CHECK(diagnostic.text() == path + ": the file is not a heed model");
}

TEST_CASE("a model tells what it consists of") {
  TinyModel tiny = attention_model();
  tiny.model.task = std::make_unique<fb::TaskT>();
  tiny.model.task->kind = "keyword_spotting";
  tiny.model.task->labels = {"yes", "no"};
  tiny.model.provenance = std::make_unique<fb::ProvenanceT>();
  tiny.model.provenance->producer = "a test";
  const AlignedBytes bytes = tiny.bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  const heed_info info = model.info();
  CHECK(info.version == 1003);
  CHECK(info.entry_points == 1);
  CHECK(std::string(info.task) == "keyword_spotting");
  CHECK(std::string(info.producer) == "a test");
  CHECK(std::string(info.recipe).empty());
  CHECK(info.measured == 0);
  CHECK(std::string(model.label(1)) == "no");
  CHECK(model.label(2) == nullptr);

  heed_entry_point entry;
  REQUIRE(heed_model_entry_point(model.get(), 0, &entry) == HEED_OK);
  CHECK(std::string(entry.name) == "main");
  CHECK((entry.inputs == 1 && entry.outputs == 1 && entry.ops == 4 && entry.attentions == 1));
  CHECK(heed_model_entry_point(model.get(), 1, &entry) == HEED_INVALID_ARGUMENT);

  heed_tensor x;
  REQUIRE(heed_model_input(model.get(), "main", 0, &x) == HEED_OK);
  CHECK(std::string(x.name) == "x");
  CHECK((x.type == HEED_F32 && x.rank == 3 && x.dims[1] == 19 && x.dims[2] == 48));
  CHECK(x.bytes == 19 * 48 * sizeof(float));
  CHECK(x.data == nullptr);

  heed_op op;
  REQUIRE(heed_model_op(model.get(), nullptr, 1, &op) == HEED_OK);
  CHECK(std::string(op.kind) == "linear");
  CHECK(op.multiply_adds == 19 * 48 * 144);
  int32_t operand = 0;
  CHECK(heed_model_op_output(model.get(), nullptr, 0, 0, &operand) == HEED_OK);
  CHECK(operand == -1);
  CHECK(heed_model_op_input(model.get(), nullptr, 0, 9, &operand) == HEED_INVALID_ARGUMENT);

  heed_attention attention;
  REQUIRE(heed_model_attention(model.get(), nullptr, 0, &attention) == HEED_OK);
  CHECK((attention.op == 2 && attention.heads == 3 && attention.queries == 19));
  CHECK(heed_model_attention(model.get(), nullptr, 1, &attention) == HEED_INVALID_ARGUMENT);
}

TEST_CASE("a path that is no regular file is refused, a pipe that nobody writes at once") {
  const TemporaryFolder folder;
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  for (const std::string& path : {folder.file("pipe"), folder.path().string()}) {
    INFO(path);
    Model model;
    Diagnostic diagnostic;
    CHECK(model.open(path.c_str(), &diagnostic) == Status::io_error);
    CHECK(std::string(diagnostic.what) == "this is not a regular file");
    CHECK(std::string(diagnostic.where) == path);
  }
}
