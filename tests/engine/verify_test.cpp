// Each way a file can lie, one by one: what the verifier calls it and where it points.

#include "engine/verify.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "engine/heed.hpp"
#include "engine/operands.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

namespace {

Status open_bytes(const AlignedBytes& bytes, Diagnostic* diagnostic,
                  const heed_limits* limits = nullptr) {
  Model model;
  return model.open(bytes.span(), diagnostic, limits);
}

/// Spoils a good model after it was planned and opens what comes of it.
void check_refused(TinyModel tiny, Status status, const std::string& what,
                   const std::function<void(TinyModel&)>& spoil) {
  spoil(tiny);
  Diagnostic diagnostic;
  const Status got = open_bytes(tiny.bytes(), &diagnostic);
  INFO(diagnostic.text());
  CHECK(got == status);
  CHECK(std::string(diagnostic.what) == what);
  CHECK(diagnostic.status == static_cast<heed_status>(status));
}

void check_bad_model(TinyModel tiny, const std::string& what,
                     const std::function<void(TinyModel&)>& spoil) {
  check_refused(std::move(tiny), Status::bad_model, what, spoil);
}

int32_t index_of(TinyModel& tiny, const std::string& name) {
  for (size_t i = 0; i < tiny.model.tensors.size(); ++i)
    if (tiny.model.tensors[i]->name == name) return static_cast<int32_t>(i);
  FAIL("no tensor " << name);
  return -1;
}

fb::TensorT& named(TinyModel& tiny, const std::string& name) {
  return tiny.at(index_of(tiny, name));
}

fb::OpT& op_at(TinyModel& tiny, size_t i) { return *tiny.entry().ops.at(i); }

}  // namespace

TEST_CASE("the small models of the tests are good") {
  Diagnostic diagnostic;
  CHECK(open_bytes(feed_forward_model().bytes(), &diagnostic) == Status::ok);
  CHECK(open_bytes(attention_model().bytes(), &diagnostic) == Status::ok);
  CHECK(open_bytes(lookup_model().bytes(), &diagnostic) == Status::ok);
  CHECK(open_bytes(running_sum_model().bytes(), &diagnostic) == Status::ok);
  CHECK(open_bytes(two_entry_model().bytes(), &diagnostic) == Status::ok);
}

TEST_CASE("a file cut at any byte is refused, and nothing beyond the cut is read") {
  const AlignedBytes bytes = attention_model(1, 3, 1, 16).bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    // Aligned as a file is, its last byte before an unmapped page where the size allows that.
    GuardedBuffer<std::byte> cut(round_up(size, kAlignment));
    std::byte* begin = cut.data();
    memcpy(begin, bytes.data(), size);
    Diagnostic diagnostic;
    DecodedModel decoded;
    const Status status = verify_file({begin, size}, heed_default_limits(), &decoded, &diagnostic);
    if (status != Status::not_a_model && status != Status::bad_structure) {
      INFO("cut at " << size << ": " << diagnostic.text());
      CHECK(false);
    }
  }
}

TEST_CASE("bytes that follow the blobs are refused") {
  const AlignedBytes bytes = feed_forward_model().bytes();
  AlignedBytes longer(bytes.size() + 64);
  memcpy(longer.data(), bytes.data(), bytes.size());
  Diagnostic diagnostic;
  CHECK(open_bytes(longer, &diagnostic) == Status::bad_structure);
  CHECK(diagnostic.expected == static_cast<int64_t>(bytes.size()));
  CHECK(diagnostic.actual == static_cast<int64_t>(longer.size()));
}

TEST_CASE("another kind of file, and an empty one, are no models") {
  AlignedBytes bytes = feed_forward_model().bytes();
  bytes.data()[9] ^= std::byte{1};
  Diagnostic diagnostic;
  CHECK(open_bytes(bytes, &diagnostic) == Status::not_a_model);
  AlignedBytes text(200);
  memset(text.data(), 'a', 200);
  CHECK(open_bytes(text, &diagnostic) == Status::not_a_model);
}

TEST_CASE("a newer major version is named as such, a newer minor one opens") {
  check_refused(feed_forward_model(), Status::newer_version, "the file needs a newer heed",
                [](TinyModel& m) { m.model.version = 2000; });
  check_refused(feed_forward_model(), Status::bad_structure, "the file has no valid version",
                [](TinyModel& m) { m.model.version = 0; });
  TinyModel minor = feed_forward_model();
  minor.model.version = 1999;
  Diagnostic diagnostic;
  CHECK(open_bytes(minor.bytes(), &diagnostic) == Status::ok);
}

TEST_CASE("bytes at an odd address are refused") {
  const AlignedBytes bytes = feed_forward_model().bytes();
  AlignedBytes shifted(bytes.size() + 64);
  memcpy(shifted.data() + 16, bytes.data(), bytes.size());
  Model model;
  CHECK(model.open(shifted.span().subspan(16, bytes.size())) == Status::invalid_argument);
}

TEST_CASE("any one byte of the tables may be wrong: refused or harmless, never a fault") {
  const AlignedBytes good = attention_model(1, 5, 2, 8).bytes();
  const size_t tables = good.size() - attention_model(1, 5, 2, 8).blobs.size();
  size_t refused = 0;
  for (size_t i = 0; i < tables; ++i) {
    for (const std::byte flip : {std::byte{0x01}, std::byte{0x80}, std::byte{0xff}}) {
      GuardedBuffer<std::byte> bytes(good.size());
      memcpy(bytes.data(), good.data(), good.size());
      bytes[i] ^= flip;
      heed_limits limits = heed_default_limits();
      limits.session_bytes = 1 << 24;
      Model model;
      Session session;
      if (model.open(bytes.span(), nullptr, &limits) != Status::ok) {
        ++refused;
        continue;
      }
      size_t needed = 0;
      if (model.memory_needed({}, &needed) != Status::ok || needed > (1u << 26)) continue;
      if (session.create(model) == Status::ok) CHECK_FALSE(session.run() == Status::io_error);
    }
  }
  CHECK(refused > tables);
}

TEST_CASE("a root offset that leads out of the file, or nowhere, is refused") {
  const AlignedBytes good = feed_forward_model().bytes();
  for (const uint32_t root :
       {uint32_t{0}, uint32_t{1}, uint32_t{4}, uint32_t{7}, static_cast<uint32_t>(good.size()),
        uint32_t{1} << 30, uint32_t{INT32_MAX}, uint32_t{INT32_MAX} + 1, UINT32_MAX}) {
    AlignedBytes bytes = good;
    memcpy(bytes.data() + 4, &root, sizeof root);  // behind the size
    Diagnostic diagnostic;
    INFO("root at " << root);
    CHECK(open_bytes(bytes, &diagnostic) == Status::bad_structure);
  }
}

TEST_CASE("a string without its end, or longer than the file, is refused") {
  const AlignedBytes good = two_entry_model().bytes();
  const std::string text(reinterpret_cast<const char*>(good.data()), good.size());
  const size_t at = text.find(std::string("encode\0", 7));
  REQUIRE(at != std::string::npos);
  AlignedBytes endless = good;
  endless.data()[at + 6] = std::byte{'x'};
  Diagnostic diagnostic;
  CHECK(open_bytes(endless, &diagnostic) == Status::bad_structure);
  for (const uint32_t length : {uint32_t{1000000}, uint32_t{INT32_MAX}, uint32_t{UINT32_MAX}}) {
    AlignedBytes longer = good;
    memcpy(longer.data() + at - 4, &length, sizeof length);
    CHECK(open_bytes(longer, &diagnostic) == Status::bad_structure);
  }
}

TEST_CASE("limits bound what a file may ask for") {
  const AlignedBytes bytes = feed_forward_model().bytes();
  Diagnostic diagnostic;
  const auto refused = [&](auto member, int64_t value) {
    heed_limits limits = heed_default_limits();
    limits.*member = static_cast<std::remove_reference_t<decltype(limits.*member)>>(value);
    return open_bytes(bytes, &diagnostic, &limits) == Status::limit_exceeded;
  };
  CHECK(refused(&heed_limits::file_bytes, 100));
  CHECK(refused(&heed_limits::tensors, 3));
  CHECK(refused(&heed_limits::entry_points, 0));
  CHECK(refused(&heed_limits::tensor_bytes, 1000));
  CHECK(refused(&heed_limits::session_bytes, 1000));
  CHECK(refused(&heed_limits::session_bytes, -1));
  CHECK(refused(&heed_limits::ops, 2));
}

TEST_CASE("the bytes of a tensor are bounded, plain or in quantised rows, and cannot overflow") {
  Diagnostic diagnostic;
  heed_limits limits = heed_default_limits();
  const auto too_large = [&](TinyModel tiny) {
    const Status status = open_bytes(tiny.bytes(), &diagnostic, &limits);
    INFO(diagnostic.text());
    CHECK(status == Status::limit_exceeded);
    CHECK(std::string(diagnostic.what) == "a tensor is larger than the limit");
  };
  limits.tensor_bytes = 5 * sizeof(float) - 1;  // nothing in it but rows of five floats
  too_large(running_sum_model(5));
  limits.tensor_bytes = 5 * sizeof(float);
  CHECK(open_bytes(running_sum_model(5).bytes(), &diagnostic, &limits) == Status::ok);
  // More rows than are counted in 31 bits, where a halo comes to them: whatever the limit.
  limits.tensor_bytes = limits.session_bytes = INT64_MAX;
  TinyModel rows = feed_forward_model();
  named(rows, "hidden").shape = {INT32_MAX, 1};
  named(rows, "hidden").group = 0;
  named(rows, "hidden").halo = 1;
  too_large(std::move(rows));
}

TEST_CASE("tensor indices out of range are refused wherever they stand") {
  for (const int32_t bad : {-2, 1000, INT32_MAX, INT32_MIN}) {
    check_bad_model(feed_forward_model(), "an operand does not exist",
                    [&](TinyModel& m) { op_at(m, 1).inputs[0] = bad; });
    check_bad_model(feed_forward_model(), "an operand does not exist",
                    [&](TinyModel& m) { op_at(m, 1).outputs[2] = bad; });
    check_bad_model(feed_forward_model(), "an operand does not exist", [&](TinyModel& m) {
      op_at(m, 2).options.AsLinearOptions()->epilogue->residual = bad;
    });
    check_bad_model(feed_forward_model(), "an operand does not exist", [&](TinyModel& m) {
      op_at(m, 2).options.AsLinearOptions()->epilogue->gamma = bad;
    });
    check_bad_model(feed_forward_model(), "an input does not exist",
                    [&](TinyModel& m) { m.entry().inputs[0] = bad; });
    check_bad_model(feed_forward_model(), "an output does not exist",
                    [&](TinyModel& m) { m.entry().outputs[0] = bad; });
  }
  check_bad_model(feed_forward_model(), "an input does not exist",
                  [](TinyModel& m) { m.entry().inputs[0] = -1; });
}

TEST_CASE("minus one stands only for operands that are optional") {
  TinyModel tiny = feed_forward_model();
  for (const size_t i : {0, 1, 2}) {
    INFO("operand " << i);
    TinyModel spoiled = feed_forward_model();
    op_at(spoiled, 1).inputs[i] = -1;
    Diagnostic diagnostic;
    CHECK(open_bytes(spoiled.bytes(), &diagnostic) == Status::bad_model);
    CHECK(std::string(diagnostic.where) == "expand");
  }
  op_at(tiny, 1).inputs[3] = op_at(tiny, 1).inputs[4] = -1;  // sums and bias are
  Diagnostic diagnostic;
  CHECK(open_bytes(tiny.bytes(), &diagnostic) == Status::ok);
  check_bad_model(feed_forward_model(), "an op has no output",
                  [](TinyModel& m) { op_at(m, 1).outputs = {}; });
}

TEST_CASE("shapes that overflow, vanish or have too many dimensions are refused") {
  const auto shape = [](Dims dims) { return [dims](TinyModel& m) { named(m, "x").shape = dims; }; };
  const char* many = "a tensor has more than 2^31 - 1 elements";
  check_refused(feed_forward_model(), Status::limit_exceeded, many, shape({65536, 65536}));
  check_refused(feed_forward_model(), Status::limit_exceeded, many, shape({UINT32_MAX}));
  check_refused(feed_forward_model(), Status::limit_exceeded, many,
                shape({1u << 16, 1u << 16, 1u << 16, 1u << 16}));
  check_bad_model(feed_forward_model(), "a dimension is zero", shape({10, 0}));
  check_bad_model(feed_forward_model(), "a tensor has too many dimensions", shape(Dims(9, 1)));
}

TEST_CASE("quantised rows have sensible groups and halos, and others have none") {
  const auto q8 = [](uint32_t group, uint32_t halo) {
    return [=](TinyModel& m) {
      named(m, "hidden").group = group;
      named(m, "hidden").halo = halo;
    };
  };
  check_bad_model(feed_forward_model(), "a group of values per scale is no multiple of 16",
                  q8(8, 0));
  check_bad_model(feed_forward_model(), "groups do not divide a row", q8(80, 0));
  check_bad_model(feed_forward_model(), "groups do not divide a row", q8(1u << 31, 0));
  check_refused(feed_forward_model(), Status::limit_exceeded, "a halo is too wide",
                q8(16, UINT32_MAX));
  check_bad_model(feed_forward_model(), "quantised rows need a dimension",
                  [](TinyModel& m) { named(m, "hidden").shape = {}; });
  check_bad_model(feed_forward_model(), "only quantised rows have groups and a halo",
                  [](TinyModel& m) { named(m, "x").group = 16; });
}

TEST_CASE("element types, storage classes and op kinds that do not exist are refused") {
  check_bad_model(feed_forward_model(), "an element type is unknown",
                  [](TinyModel& m) { named(m, "x").dtype = static_cast<DataType>(77); });
  check_bad_model(feed_forward_model(), "a storage class is unknown",
                  [](TinyModel& m) { named(m, "x").storage = static_cast<fb::Storage>(9); });
  check_bad_model(running_sum_model(), "an op has no options",
                  [](TinyModel& m) { op_at(m, 0).options.Reset(); });
}

TEST_CASE("an op of a kind that came after this build is not supported, and named") {
  constexpr uint8_t kLater = static_cast<uint8_t>(fb::OpOptions::MAX) + 1;
  AlignedBytes bytes = feed_forward_model().bytes();
  const fb::Op* op = fb::GetSizePrefixedModel(bytes.data())->entry_points()->Get(0)->ops()->Get(1);
  auto* table = reinterpret_cast<flatbuffers::Table*>(const_cast<fb::Op*>(op));
  REQUIRE(table->SetField<uint8_t>(fb::Op::VT_OPTIONS_TYPE, kLater, 0));
  Diagnostic diagnostic;
  CHECK(open_bytes(bytes, &diagnostic) == Status::unsupported);
  INFO(diagnostic.text());
  CHECK(std::string(diagnostic.what) == "this build does not know the kind of an op");
  CHECK((diagnostic.op == 1 && diagnostic.actual == kLater));
  CHECK(std::string(diagnostic.where) == "expand");
}

TEST_CASE("blobs must lie in the file, aligned, as large as their tensors, and apart") {
  const auto blob = [](const char* name, uint64_t offset, uint64_t size) {
    return [=](TinyModel& m) { named(m, name).blob = std::make_unique<fb::Blob>(offset, size); };
  };
  const uint64_t bytes = 192 * sizeof(float);  // of expand.bias
  const char* bias = "expand.bias";
  const auto bad = [&](const char* what, const std::function<void(TinyModel&)>& spoil) {
    check_refused(feed_forward_model(), Status::bad_structure, what, spoil);
  };
  bad("a blob lies outside the file", blob(bias, UINT64_MAX / 64 * 64, bytes));
  bad("a blob lies outside the file", blob(bias, uint64_t{1} << 40, bytes));
  bad("a blob is not aligned", blob(bias, 4, bytes));
  bad("a blob is not as large as its tensor", blob(bias, 0, bytes - 1));
  bad("a blob is not as large as its tensor", blob(bias, 0, UINT64_MAX));
  bad("two blobs overlap", blob(bias, 64, bytes));
  check_bad_model(feed_forward_model(), "a constant has no bytes",
                  [&](TinyModel& m) { named(m, bias).blob.reset(); });
  check_bad_model(feed_forward_model(),
                  "a tensor that is neither constant nor state has bytes in the file",
                  blob("x", 0, 10 * 48 * sizeof(float)));
}

TEST_CASE("two constants may share all of one blob") {
  TinyModel tiny = feed_forward_model();
  *named(tiny, "last.beta").blob = *named(tiny, "last.gamma").blob;
  Diagnostic diagnostic;
  CHECK(open_bytes(tiny.bytes(), &diagnostic) == Status::ok);
}

TEST_CASE("ops out of order, in a circle or twice are refused") {
  check_bad_model(feed_forward_model(), "a tensor is read before it is written",
                  [](TinyModel& m) { std::swap(m.entry().ops[1], m.entry().ops[2]); });
  check_bad_model(attention_model(), "a tensor is read before it is written",
                  [](TinyModel& m) { m.entry().ops.erase(m.entry().ops.begin()); });
  check_bad_model(running_sum_model(), "an op writes what it reads",
                  [](TinyModel& m) { op_at(m, 0).outputs[0] = op_at(m, 0).inputs[1]; });
  check_bad_model(running_sum_model(), "an op writes what it reads",
                  [](TinyModel& m) { op_at(m, 0).outputs[0] = index_of(m, "sum"); });
  check_bad_model(running_sum_model(), "a tensor is written twice", [](TinyModel& m) {
    fb::CopyOptionsT copy;
    m.op("again", std::move(copy), {index_of(m, "sum")}, {index_of(m, "y")});
  });
  check_bad_model(running_sum_model(), "a tensor is written twice", [](TinyModel& m) {
    m.op("into the input", fb::CopyOptionsT{}, {index_of(m, "y")}, {index_of(m, "x")});
  });
  check_bad_model(feed_forward_model(), "two outputs of an op overlap",
                  [](TinyModel& m) { op_at(m, 2).outputs[0] = op_at(m, 2).outputs[1]; });
  check_bad_model(feed_forward_model(), "a tensor is read before it is written",
                  [](TinyModel& m) { m.entry().inputs = {}; });
}

TEST_CASE("constants are never written, and inputs and outputs have memory that fits them") {
  check_bad_model(running_sum_model(), "a constant is written", [](TinyModel& m) {
    const float zeros[5] = {};
    op_at(m, 1).outputs[0] = m.constant("fixed", DataType::f32, {5}, zeros);
  });
  check_bad_model(running_sum_model(), "an output may not be a constant", [](TinyModel& m) {
    const float zeros[5] = {};
    m.entry().outputs[0] = m.constant("fixed", DataType::f32, {5}, zeros);
  });
  check_bad_model(running_sum_model(), "an input must have arena memory of its own",
                  [](TinyModel& m) { m.entry().inputs.push_back(index_of(m, "sum")); });
  check_bad_model(running_sum_model(), "an input is named twice",
                  [](TinyModel& m) { m.entry().inputs.push_back(index_of(m, "x")); });
  check_bad_model(feed_forward_model(), "an output may not be of quantised rows",
                  [](TinyModel& m) { m.entry().outputs[0] = index_of(m, "hidden"); });
  check_bad_model(running_sum_model(), "an entry point has no output",
                  [](TinyModel& m) { m.entry().outputs = {}; });
  check_bad_model(two_entry_model(), "two entry points share a tensor that is not state",
                  [](TinyModel& m) { m.entry().inputs[0] = m.model.entry_points[0]->outputs[0]; });
  check_bad_model(two_entry_model(), "two entry points have the same name",
                  [](TinyModel& m) { m.entry().name = "encode"; });
  check_bad_model(two_entry_model(), "an entry point has no name",
                  [](TinyModel& m) { m.entry().name = ""; });
  check_bad_model(two_entry_model(), "the model has no entry point",
                  [](TinyModel& m) { m.model.entry_points.clear(); });
}

TEST_CASE("views stay inside their parents, have one, and do not go round in circles") {
  const auto with_view = [](const std::function<void(TinyModel&, fb::TensorT&)>& spoil) {
    return [=](TinyModel& m) {
      const int32_t view = m.view("part", index_of(m, "y"), 4, {4});
      spoil(m, m.at(view));
    };
  };
  TinyModel good = running_sum_model(5);
  with_view([](TinyModel&, fb::TensorT&) {})(good);
  Diagnostic diagnostic;
  CHECK(open_bytes(good.bytes(), &diagnostic) == Status::ok);
  const auto bad = [&](const char* what,
                       const std::function<void(TinyModel&, fb::TensorT&)>& spoil) {
    check_bad_model(running_sum_model(5), what, with_view(spoil));
  };
  bad("a view reaches out of its parent", [](TinyModel&, fb::TensorT& v) { v.offset = 8; });
  bad("a view reaches out of its parent", [](TinyModel&, fb::TensorT& v) { v.shape = {6}; });
  bad("an offset is out of range", [](TinyModel&, fb::TensorT& v) { v.offset = UINT64_MAX - 3; });
  bad("a view is not aligned", [](TinyModel&, fb::TensorT& v) { v.offset = 2; });
  bad("views have a parent, and nothing else has one",
      [](TinyModel&, fb::TensorT& v) { v.parent = -1; });
  bad("the parent of a view does not exist", [](TinyModel&, fb::TensorT& v) { v.parent = 999; });
  bad("a view has another type than its parent",
      [](TinyModel&, fb::TensorT& v) { v.dtype = DataType::i32; });
  bad("views lie in each other too deep", [](TinyModel& m, fb::TensorT& v) {
    v.offset = 0;
    v.parent = static_cast<int32_t>(m.model.tensors.size()) - 1;
  });
  check_bad_model(running_sum_model(5), "views have a parent, and nothing else has one",
                  [](TinyModel& m) { named(m, "x").parent = 0; });
}

TEST_CASE("a whole may be read once all of its parts are written, not before") {
  const auto parts = [](bool both) {
    TinyModel m;
    m.entry_point("main");
    const int32_t x = m.input("x", DataType::f32, {8});
    const int32_t whole = m.arena("whole", {16});
    const int32_t left = m.view("left", whole, 0, {8});
    const int32_t right = m.view("right", whole, 32, {8});
    m.op("one", fb::CopyOptionsT{}, {x}, {right});
    if (both) m.op("two", fb::CopyOptionsT{}, {x}, {left});
    const int32_t y = m.arena("y", {16});
    m.op("all", fb::CopyOptionsT{}, {whole}, {y});
    m.output(y);
    m.plan();
    return m;
  };
  Diagnostic diagnostic;
  CHECK(open_bytes(parts(true).bytes(), &diagnostic) == Status::ok);
  CHECK(open_bytes(parts(false).bytes(), &diagnostic) == Status::bad_model);
  CHECK(std::string(diagnostic.what) == "a tensor is read before it is written");
  check_bad_model(parts(true), "a tensor is written twice",
                  [](TinyModel& m) { named(m, "left").offset = 16; });
}

TEST_CASE("a plan that overlaps, misaligns or leaves the arena is refused") {
  const auto bad_plan = [](TinyModel tiny, const char* what,
                           const std::function<void(TinyModel&)>& spoil) {
    check_refused(std::move(tiny), Status::bad_plan, what, spoil);
  };
  bad_plan(feed_forward_model(), "the plan lets two tensors overlap that live at the same time",
           [](TinyModel& m) { named(m, "hidden").offset = named(m, "x").offset = 0; });
  bad_plan(feed_forward_model(), "the plan places a tensor misaligned",
           [](TinyModel& m) { named(m, "x").offset += 16; });
  bad_plan(feed_forward_model(), "the plan places a tensor outside",
           [](TinyModel& m) { named(m, "y").offset = m.entry().arena_bytes; });
  bad_plan(feed_forward_model(), "the plan places a tensor outside",
           [](TinyModel& m) { m.entry().arena_bytes -= 64; });
  bad_plan(feed_forward_model(), "the plan places a tensor outside", [](TinyModel& m) {
    named(m, "x").offset = uint64_t{1} << (sizeof(size_t) == 4 ? 28 : 50);
  });
  bad_plan(running_sum_model(), "the plan places a tensor outside",
           [](TinyModel& m) { m.model.state_bytes = 0; });
  bad_plan(running_sum_model(), "the plan lets two state tensors overlap",
           [](TinyModel& m) { m.state("other", {5}); });
  bad_plan(running_sum_model(40), "the plan lets two state tensors overlap", [](TinyModel& m) {
    named(m, "sum").offset = 0;  // 160 bytes, and reaches into the next
    m.at(m.state("other", {5})).offset = 64;
    m.model.state_bytes = 256;
  });
  for (const uint64_t huge : {uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 1000})
    check_refused(running_sum_model(), Status::limit_exceeded,
                  "a session needs more memory than the limit",
                  [=](TinyModel& m) { m.entry().arena_bytes = huge; });
  check_refused(running_sum_model(), Status::limit_exceeded,
                "a session needs more memory than the limit",
                [](TinyModel& m) { m.model.state_bytes = UINT64_MAX; });
}

TEST_CASE("an op's own rules are asked: types, widths, attributes") {
  const auto refused = [](TinyModel tiny, const char* where,
                          const std::function<void(TinyModel&)>& spoil) {
    spoil(tiny);
    Diagnostic diagnostic;
    CHECK(open_bytes(tiny.bytes(), &diagnostic) == Status::bad_model);
    INFO(diagnostic.text());
    CHECK(std::string(diagnostic.where) == where);
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  refused(feed_forward_model(), "expand",
          [](TinyModel& m) { op_at(m, 1).options.AsLinearOptions()->rows = 11; });
  refused(feed_forward_model(), "expand",
          [](TinyModel& m) { op_at(m, 1).options.AsLinearOptions()->rows = UINT32_MAX; });
  refused(feed_forward_model(), "contract", [=](TinyModel& m) {
    op_at(m, 2).options.AsLinearOptions()->epilogue->norm_epsilon = nan;
  });
  refused(feed_forward_model(), "contract", [](TinyModel& m) {
    op_at(m, 2).options.AsLinearOptions()->epilogue->norm = static_cast<fb::Norm>(99);
  });
  refused(attention_model(), "attention",
          [=](TinyModel& m) { op_at(m, 2).options.AsAttentionOptions()->scale = nan; });
  refused(attention_model(), "attention",
          [](TinyModel& m) { op_at(m, 2).options.AsAttentionOptions()->heads = 1000; });
  refused(attention_model(), "attention",
          [](TinyModel& m) { op_at(m, 2).options.AsAttentionOptions()->kv_heads = 0; });
  refused(attention_model(), "attention",
          [](TinyModel& m) { op_at(m, 2).options.AsAttentionOptions()->v_column = UINT32_MAX; });
}

TEST_CASE("scales that are NaN, infinite or negative are refused") {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1.0f}) {
    TinyModel tiny = feed_forward_model();
    const auto offset = static_cast<size_t>(named(tiny, "expand.scale").blob->offset());
    memcpy(tiny.blobs.data() + offset + 8, &bad, sizeof bad);
    Diagnostic diagnostic;
    CHECK(open_bytes(tiny.bytes(), &diagnostic) == Status::bad_model);
  }
}
