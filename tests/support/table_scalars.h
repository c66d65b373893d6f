#pragma once
// Every number of a FlatBuffer, found by walking its tables: where it lies and what it is.

#include <flatbuffers/flatbuffers.h>
#include <flatbuffers/minireflect.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace heed::test {

struct TableScalar {
  size_t at;  // bytes from `base`
  flatbuffers::ElementaryType type;

  size_t bytes() const { return flatbuffers::InlineSize(type, nullptr); }
};

class TableScalarCollector final : public flatbuffers::IterationVisitor {
 public:
  explicit TableScalarCollector(const uint8_t* base) : base_(base) {}
  std::vector<TableScalar> scalars;

  void Field(size_t, size_t, flatbuffers::ElementaryType type, bool is_vector,
             const flatbuffers::TypeTable*, const char*, const uint8_t* value) override {
    if (!is_vector) note(type, value);
  }
  void Element(size_t, flatbuffers::ElementaryType type, const flatbuffers::TypeTable*,
               const uint8_t* value) override {
    note(type, value);
  }
  void StartSequence() override {}
  void EndSequence() override {}
  void UType(uint8_t, const char*) override {}
  void Bool(bool) override {}
  void Char(int8_t, const char*) override {}
  void UChar(uint8_t, const char*) override {}
  void Short(int16_t, const char*) override {}
  void UShort(uint16_t, const char*) override {}
  void Int(int32_t, const char*) override {}
  void UInt(uint32_t, const char*) override {}
  void Long(int64_t) override {}
  void ULong(uint64_t) override {}
  void Float(float) override {}
  void Double(double) override {}
  void String(const flatbuffers::String*) override {}
  void Unknown(const uint8_t*) override {}
  void StartVector() override {}
  void EndVector() override {}

 private:
  void note(flatbuffers::ElementaryType type, const uint8_t* value) {
    if (value != nullptr && type < flatbuffers::ET_STRING)
      scalars.push_back({static_cast<size_t>(value - base_), type});
  }

  const uint8_t* base_;
};

/// All scalars of a sound buffer whose root (of the type that `table` describes) begins at `root`.
/// Written with ForceDefaults, none is missing.
inline std::vector<TableScalar> table_scalars(const uint8_t* base, const uint8_t* root,
                                              const flatbuffers::TypeTable* table) {
  TableScalarCollector collector(base);
  flatbuffers::IterateObject(root, table, &collector);
  return collector.scalars;
}

}  // namespace heed::test
