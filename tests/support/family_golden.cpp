#include "tests/support/family_golden.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace heed::test {
namespace {

size_t elements(const std::vector<int64_t>& shape) {
  size_t count = 1;
  for (const int64_t dim : shape) count *= static_cast<size_t>(dim);
  return count;
}

std::vector<float> weight(const std::string& name, const std::vector<int64_t>& shape) {
  std::vector<float> values = formula(name, elements(shape));
  const bool ends = name.ends_with("weight") || name.ends_with("running_var");
  for (float& v : values) v = shape.size() >= 2 ? v * 0.125f : v * 0.25f + (ends ? 1.0f : 0.0f);
  return values;
}

std::vector<int64_t> read_shape(const std::string& text) {
  std::vector<int64_t> shape;
  std::istringstream in(text == "scalar" ? "" : text);
  for (std::string dim; std::getline(in, dim, 'x');) shape.push_back(std::stoll(dim));
  return shape;
}

/// ALPHABET LENGTH COUNT HASH
GoldenLongText read_long_text(const std::string& line) {
  const size_t end = line.rfind('"') + 1;
  const auto alphabet = nlohmann::json::parse(line.substr(0, end)).get<std::string>();
  std::vector<std::string> letters;
  for (const char c : alphabet) {
    if ((c & 0xC0) != 0x80) letters.emplace_back();
    letters.back() += c;
  }
  GoldenLongText made;
  size_t length = 0;
  std::istringstream(line.substr(end)) >> length >> made.tokens >> made.hash;
  const auto count = static_cast<float>(letters.size());
  for (const float v : formula(alphabet, length))
    made.text += letters[std::min(static_cast<size_t>((v + 1) / 2 * count), letters.size() - 1)];
  return made;
}

void read_line(const std::string& line, FamilyGolden* golden) {
  std::istringstream in(line);
  std::string kind, name, word;
  in >> kind >> name;
  if (kind == "file") {
    std::getline(in >> std::ws, golden->files[name]);
    return;
  }
  if (kind == "dim") {
    in >> golden->dims[name];
    return;
  }
  if (kind == "steps") {
    golden->steps.push_back(std::stoi(name));
    for (int32_t id; in >> id;) golden->steps.push_back(id);
    return;
  }
  if (kind == "text") {
    const size_t end = line.rfind('"');
    std::istringstream ids(line.substr(end + 1));
    auto& [text, tokens] = golden->texts.emplace_back();
    text = nlohmann::json::parse(line.substr(5, end - 4)).get<std::string>();
    for (int32_t id; ids >> id;) tokens.push_back(id);
    return;
  }
  if (kind == "long") {
    golden->long_texts.push_back(read_long_text(line.substr(5)));
    return;
  }
  if (kind == "words") {
    GoldenWords& words = golden->words.emplace_back();
    words.whole_words = name == "1";
    in >> words.pre_tokenizer;
    for (uint32_t hash; in >> hash;) words.hashes.push_back(hash);
    return;
  }
  if (kind == "layer") {
    GoldenLayer& layer = golden->layers.emplace_back();
    layer.name = name;
    in >> word >> layer.step;
    layer.shape = read_shape(word);
    for (float v; in >> v;) layer.kept.push_back(v);
    return;
  }
  GoldenValue value;
  value.name = name;
  std::string type = "f32";
  if (kind == "input") in >> type;
  in >> word;
  value.shape = read_shape(word);
  if (kind == "tensor") {
    value.floats = weight(name, value.shape);
    golden->tensors.push_back(value);
    return;
  }
  if (type == "i64")
    for (int64_t v; in >> v;) value.integers.push_back(v);
  else if (kind == "input")
    value.floats = formula(name, elements(value.shape));
  else
    for (float v; in >> v;) value.floats.push_back(v);
  (kind == "input" ? golden->inputs : golden->outputs).push_back(value);
}

}  // namespace

std::vector<float> formula(const std::string& name, size_t count) {
  uint32_t seed = 2166136261u;
  for (const char c : name) seed = (seed ^ static_cast<uint8_t>(c)) * 16777619u;
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    uint32_t h = seed ^ (static_cast<uint32_t>(i) * 0x9E3779B1u);
    h ^= h >> 16;
    h *= 0x85EBCA6Bu;
    h ^= h >> 13;
    h *= 0xC2B2AE35u;
    h ^= h >> 16;
    values[i] = static_cast<float>(h >> 8) * 0x1p-23f - 1.0f;
  }
  return values;
}

uint32_t hash_tokens(std::span<const int32_t> ids) {
  uint32_t hash = 2166136261u;
  for (const int32_t id : ids) hash = (hash ^ static_cast<uint32_t>(id)) * 16777619u;
  return hash;
}

FamilyGolden read_family_golden(const std::string& name) {
  const std::string path = std::string(HEED_SOURCE_DIR) + "/tests/golden/families/" + name + ".txt";
  std::ifstream in(path);
  FamilyGolden golden;
  for (std::string line; std::getline(in, line);) read_line(line, &golden);
  if (golden.outputs.empty()) throw std::runtime_error("no golden outputs in " + path);
  return golden;
}

void write_safetensors(const std::string& path, const std::vector<GoldenValue>& tensors) {
  std::string header = "{", data;
  for (const GoldenValue& tensor : tensors) {
    if (header.size() > 1) header += ',';
    header += '"' + tensor.name + "\":{\"dtype\":\"F32\",\"shape\":[";
    for (size_t i = 0; i < tensor.shape.size(); ++i)
      header += (i == 0 ? "" : ",") + std::to_string(tensor.shape[i]);
    header += "],\"data_offsets\":[" + std::to_string(data.size()) + ",";
    data.append(reinterpret_cast<const char*>(tensor.floats.data()), tensor.floats.size() * 4);
    header += std::to_string(data.size()) + "]}";
  }
  header += '}';
  const uint64_t size = header.size();
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&size), sizeof size);
  out << header << data;
  if (!out) throw std::runtime_error("cannot write " + path);
}

void FamilyGolden::write_folder(const std::string& folder) const {
  std::filesystem::create_directories(folder);
  for (const auto& [name, text] : files) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  write_safetensors(folder + "/model.safetensors", tensors);
}

}  // namespace heed::test
