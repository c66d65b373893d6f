#include "tests/fuzz/fuzz_target.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace heed::test {
namespace {

constexpr uint8_t kTelling[] = {0, 1, 2, 0x7f, 0x80, 0xfe, 0xff};

std::vector<const FuzzTarget*>& registered() {
  static std::vector<const FuzzTarget*> targets;
  return targets;
}

size_t below(SeededRandom& random, size_t count) {
  return static_cast<size_t>(random.integer(0, static_cast<int64_t>(count) - 1));
}

}  // namespace

std::vector<const FuzzTarget*> fuzz_targets() {
  std::vector<const FuzzTarget*> targets = registered();
  std::sort(targets.begin(), targets.end(), [](const FuzzTarget* a, const FuzzTarget* b) {
    return std::strcmp(a->name, b->name) < 0;
  });
  return targets;
}

const FuzzTarget* find_fuzz_target(const std::string& name) {
  for (const FuzzTarget* target : registered())
    if (target->name == name) return target;
  return nullptr;
}

RegisterFuzzTarget::RegisterFuzzTarget(const FuzzTarget& target) {
  registered().push_back(&target);
}

double run_timed(const FuzzTarget& target, std::span<const uint8_t> bytes) {
  const std::clock_t before = std::clock();
  target.run(bytes);
  return static_cast<double>(std::clock() - before) / static_cast<double>(CLOCKS_PER_SEC);
}

void mutate_bytes(FuzzBytes& bytes, SeededRandom& random) {
  if (bytes.empty()) bytes.push_back(0);
  for (int64_t i = random.integer(1, 4); i > 0; --i) {
    const size_t at = below(random, bytes.size());
    const size_t length = 1 + below(random, std::min<size_t>(bytes.size() - at, 16));
    const auto begin = bytes.begin() + static_cast<ptrdiff_t>(at);
    const auto end = begin + static_cast<ptrdiff_t>(length);
    switch (random.integer(0, 7)) {
      case 0:
        bytes[at] = static_cast<uint8_t>(bytes[at] ^ (1u << random.integer(0, 7)));
        break;
      case 1:
        bytes[at] = kTelling[below(random, std::size(kTelling))];
        break;
      case 2:
        std::fill(begin, end, kTelling[below(random, std::size(kTelling))]);
        break;
      case 3:
        bytes[at] = static_cast<uint8_t>(bytes[at] + random.integer(-3, 3));
        break;
      case 4: {
        const FuzzBytes piece(begin, end);
        bytes.insert(begin, piece.begin(), piece.end());
        break;
      }
      case 5:
        if (bytes.size() > length) bytes.erase(begin, end);
        break;
      case 6:
        if (random.integer(0, 7) == 0) bytes.resize(at + 1);
        break;
      default:
        std::swap(bytes[at], bytes[below(random, bytes.size())]);
    }
  }
}

void mutate(const FuzzTarget& target, FuzzBytes& bytes, SeededRandom& random) {
  if (target.mutate != nullptr && random.integer(0, 7) != 0 && target.mutate(bytes, random)) return;
  mutate_bytes(bytes, random);
}

uint64_t hash_of(std::span<const uint8_t> bytes) {
  uint64_t hash = 1469598103934665603u;
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211u;
  return hash ^ hash >> 29;
}

FuzzBytes read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<FuzzBytes> read_folder(const std::string& folder) {
  std::vector<std::string> paths;
  if (std::filesystem::is_directory(folder))
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  std::vector<FuzzBytes> all;
  for (const std::string& path : paths) all.push_back(read_bytes(path));
  return all;
}

std::vector<FuzzBytes> known_inputs(const FuzzTarget& target) {
  std::vector<FuzzBytes> all = target.seeds();
  for (FuzzBytes& bytes :
       read_folder(std::string(HEED_SOURCE_DIR) + "/tests/fuzz/corpus/" + target.name))
    all.push_back(std::move(bytes));
  return all;
}

FuzzBytes to_bytes(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace heed::test
