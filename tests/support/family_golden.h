#pragma once
// A tiny checkpoint whose weights come from a formula, with what transformers makes of an input:
// tests/golden/families/<case>.txt, written by make_goldens.py there.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace heed::test {

struct GoldenValue {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> floats;  // one of these is filled
  std::vector<int64_t> integers;
};

/// What a part of the model gives: every step-th of its elements in row-major order.
struct GoldenLayer {
  std::string name;
  std::vector<int64_t> shape;
  size_t step = 1;
  std::vector<float> kept;
};

/// The script's formula(): numbers in [-1, 1) from a name and an index.
std::vector<float> formula(const std::string& name, size_t count);

/// A text of many characters, as the formula draws them, and what is known of its tokens.
struct GoldenLongText {
  std::string text;
  size_t tokens = 0;
  uint32_t hash = 0;
};

/// Another way to part words, and the hash of each text's tokens.
struct GoldenWords {
  std::string pre_tokenizer;  // JSON
  bool whole_words = false;
  std::vector<uint32_t> hashes;
};

/// The script's, of the numbers of tokens.
uint32_t hash_tokens(std::span<const int32_t> ids);

struct FamilyGolden {
  std::map<std::string, std::string> files;  // name -> text
  std::vector<GoldenValue> tensors;          // weights, made
  std::map<std::string, int64_t> dims;
  std::vector<GoldenValue> inputs, outputs;
  std::vector<GoldenLayer> layers;  // in the order in which they run
  std::vector<std::pair<std::string, std::vector<int32_t>>> texts;  // and their tokens
  std::vector<GoldenLongText> long_texts;
  std::vector<GoldenWords> words;
  std::vector<int32_t> steps;  // of a decoder: the output has a row for each

  /// A folder as published: the files and model.safetensors.
  void write_folder(const std::string& folder) const;
};

/// Throws std::runtime_error where the file cannot be read.
FamilyGolden read_family_golden(const std::string& name);

/// Writes a .safetensors file of float32 tensors.
void write_safetensors(const std::string& path, const std::vector<GoldenValue>& tensors);

}  // namespace heed::test
