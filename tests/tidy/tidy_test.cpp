// Reads the source tree and fails on untidiness: the rules that keep the house in order, as tests.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = HEED_SOURCE_DIR;
const std::set<std::string> kTopLevel = {"engine", "ops",   "converter",
                                         "models", "tests", "platforms"};

struct Source {
  std::string path;  // from the root, with /
  std::vector<std::string> lines;
};

bool is_code(const fs::path& path) {
  return path.extension() == ".cpp" || path.extension() == ".h" || path.extension() == ".hpp" ||
         path.extension() == ".c";
}

std::vector<fs::path> files_below_rooms() {
  std::vector<fs::path> files;
  for (const std::string& room : kTopLevel)
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / room))
      if (entry.is_regular_file() && entry.path().string().find("__pycache__") == std::string::npos)
        files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Source> code() {
  std::vector<Source> sources;
  for (const fs::path& path : files_below_rooms()) {
    if (!is_code(path)) continue;
    Source source{fs::relative(path, kRoot).generic_string(), {}};
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) source.lines.push_back(line);
    sources.push_back(std::move(source));
  }
  return sources;
}

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

// One finding a line, so that a failure names every place at once.
void check_none(const std::vector<std::string>& findings) {
  std::ostringstream all;
  for (const std::string& finding : findings) all << "  " << finding << "\n";
  INFO(all.str());
  CHECK(findings.empty());
}

struct IncludeLaw {
  std::map<std::string, std::vector<std::string>> rooms;      // room -> what it may include
  std::map<std::string, std::vector<std::string>> libraries;  // header prefix -> rooms that may
};

IncludeLaw read_law() {
  IncludeLaw law;
  std::ifstream in(kRoot / "tests/tidy/include_law.txt");
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(':');
    std::string who = line.substr(0, colon);
    std::istringstream words(line.substr(colon + 1));
    std::vector<std::string> what;
    for (std::string word; words >> word;) what.push_back(word);
    if (starts_with(who, "library "))
      law.libraries[who.substr(8)] = what;
    else
      law.rooms[who] = what;
  }
  return law;
}

bool any_prefix(const std::vector<std::string>& prefixes, const std::string& text) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& p) { return starts_with(text, p); });
}

}  // namespace

TEST_CASE("the top level holds the six rooms, the build file, the README and dotfiles only") {
  std::vector<std::string> findings;
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    const std::string name = entry.path().filename().string();
    const bool known = kTopLevel.count(name) || name[0] == '.' || name == "CMakeLists.txt" ||
                       name == "README.md" || name == "LICENSE" || name == "vcpkg.json" ||
                       starts_with(name, "build");
    if (!known) findings.push_back(name);
  }
  check_none(findings);
}

TEST_CASE("every include obeys the law of tests/tidy/include_law.txt") {
  const IncludeLaw law = read_law();
  REQUIRE(law.rooms.size() > 5);
  const std::regex include("^\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"]");
  std::vector<std::string> findings;
  for (const Source& source : code()) {
    std::string room;
    for (const auto& [name, allowed] : law.rooms)
      if (starts_with(source.path, name) && name.size() > room.size()) room = name;
    REQUIRE_FALSE(room.empty());
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      const std::string header = match[1];
      const bool ours = kTopLevel.count(header.substr(0, header.find('/'))) &&
                        header.find('/') != std::string::npos;
      if (ours && !any_prefix(law.rooms.at(room), header))
        findings.push_back(source.path + " includes " + header);
      for (const auto& [library, rooms] : law.libraries)
        if (!ours && starts_with(header, library) && !any_prefix(rooms, source.path))
          findings.push_back(source.path + " includes <" + header + ">");
    }
  }
  check_none(findings);
}

TEST_CASE("no line is longer than 100 columns, none holds a tab or a character beyond ASCII") {
  std::vector<std::string> findings;
  for (const Source& source : code())
    for (size_t i = 0; i < source.lines.size(); ++i) {
      const std::string& line = source.lines[i];
      const std::string at = source.path + ":" + std::to_string(i + 1);
      if (line.size() > 100)
        findings.push_back(at + " has " + std::to_string(line.size()) + " columns");
      if (std::any_of(line.begin(), line.end(),
                      [](unsigned char c) { return c > 126 || c == '\t'; }))
        findings.push_back(at + " holds a tab or a character beyond ASCII");
    }
  check_none(findings);
}

TEST_CASE("no source file is longer than 800 lines") {
  std::vector<std::string> findings;
  for (const Source& source : code())
    if (source.lines.size() > 800)
      findings.push_back(source.path + " has " + std::to_string(source.lines.size()));
  check_none(findings);
}

TEST_CASE("no function is longer than 70 lines, no kernel body longer than 120") {
  // A body at namespace scope ends at the next line that is a lone closing brace in column 0.
  std::vector<std::string> findings;
  for (const Source& source : code()) {
    const bool kernel = std::regex_search(
        source.path,
        std::regex("^ops/.*(_vec\\.h|_(avx2|avxvnni|avx512|avx512vnni|neon|dotprod|i8mm)\\.cpp)$"));
    const size_t limit = kernel ? 120 : starts_with(source.path, "tests/") ? 120 : 70;
    size_t begin = 0;
    bool inside = false;
    for (size_t i = 0; i < source.lines.size(); ++i) {
      const std::string& line = source.lines[i];
      const bool opens =
          !line.empty() && line.back() == '{' && line[0] != ' ' && line[0] != '#' &&
          line[0] != '}' && !starts_with(line, "namespace") && !starts_with(line, "extern") &&
          line.find("class ") == std::string::npos && line.find("struct ") == std::string::npos &&
          line.find("enum ") == std::string::npos && line.find(" = {") == std::string::npos;
      const bool closes_signature = !line.empty() && line.back() == '{' &&
                                    starts_with(line, "    ") && !inside && i > 0 &&
                                    !source.lines[i - 1].empty() && source.lines[i - 1][0] != ' ' &&
                                    source.lines[i - 1].back() == ',';
      if (!inside && (opens || closes_signature)) {
        begin = i;
        inside = true;
      } else if (inside && starts_with(line, "}")) {
        if (i - begin + 1 > limit)
          findings.push_back(source.path + ":" + std::to_string(begin + 1) + " has " +
                             std::to_string(i - begin + 1));
        inside = false;
      }
    }
  }
  check_none(findings);
}

TEST_CASE("every file name is unique, and no folder is a drawer for anything") {
  std::map<std::string, std::string> seen;
  std::vector<std::string> findings;
  const std::set<std::string> everywhere = {"README.md", "CMakeLists.txt"};
  for (const fs::path& path : files_below_rooms()) {
    const std::string name = path.filename().string();
    const std::string where = fs::relative(path, kRoot).generic_string();
    if (where.find("/golden/") != std::string::npos || where.find("/corpus/") != std::string::npos)
      continue;
    for (const char* drawer : {"/utils/", "/common/", "/misc/", "/helpers/", "/util/"})
      if (("/" + where).find(drawer) != std::string::npos)
        findings.push_back(where + " lies in a drawer");
    if (everywhere.count(name)) continue;
    if (seen.count(name)) findings.push_back(where + " has the name of " + seen[name]);
    seen[name] = where;
  }
  check_none(findings);
}

TEST_CASE("a file that names its interpreter can be run, and holds no mark of a merge") {
  std::vector<std::string> findings;
  for (const fs::path& path : files_below_rooms()) {
    const std::string where = fs::relative(path, kRoot).generic_string();
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    const bool runs = (fs::status(path).permissions() & fs::perms::owner_exec) != fs::perms::none;
    if (starts_with(line, "#!") && !runs) findings.push_back(where + " cannot be run");
    const std::string mark(7, '<');
    for (; in; std::getline(in, line))
      if (starts_with(line, mark + " ")) findings.push_back(where + " is half merged");
  }
  check_none(findings);
}

TEST_CASE("the run path neither allocates, throws, prints nor aborts by what it names") {
  const std::regex banned(
      "\\b(malloc|calloc|realloc|free|abort|exit|printf|fprintf|throw|new|std::vector|std::string|"
      "std::mutex|std::cout|std::cerr)\\b");
  std::vector<std::string> findings;
  for (const Source& source : code()) {
    if (!starts_with(source.path, "ops/") && !starts_with(source.path, "engine/nodes/")) continue;
    for (size_t i = 0; i < source.lines.size(); ++i) {
      std::string line = std::regex_replace(source.lines[i], std::regex("\"[^\"]*\""), "\"\"");
      line = line.substr(0, line.find("//"));
      if (starts_with(line, "#include")) continue;
      if (std::regex_search(line, banned) && line.find("operator new") == std::string::npos &&
          line.find("new (") == std::string::npos)
        findings.push_back(source.path + ":" + std::to_string(i + 1) + " " + line);
    }
  }
  check_none(findings);
}

TEST_CASE(
    "no build file asks for the building machine's own instructions or for loose arithmetic") {
  std::vector<std::string> findings;
  for (const fs::path& path : files_below_rooms()) {
    const std::string where = fs::relative(path, kRoot).generic_string();
    if (path.extension() != ".cmake" && path.filename() != "CMakeLists.txt" && !is_code(path))
      continue;
    if (starts_with(where, "tests/tidy/")) continue;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);)
      if (line.find("march=native") != std::string::npos ||
          line.find("ffast-math") != std::string::npos)
        findings.push_back(where + ": " + line);
  }
  check_none(findings);
}
