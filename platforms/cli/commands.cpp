#include "platforms/cli/commands.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "models/whole_file.h"

namespace heed::cli {

std::pair<std::string, std::string> name_and_value(const std::string& option,
                                                   const std::string& text) {
  const size_t at = text.find('=');
  if (at == std::string::npos || at == 0 || at + 1 == text.size())
    throw CommandError(option + " wants NAME=VALUE, not '" + text + "'");
  return {text.substr(0, at), text.substr(at + 1)};
}

std::map<std::string, double> parse_constants(const std::vector<std::string>& texts) {
  std::map<std::string, double> constants;
  for (const std::string& given : texts) {
    const auto [name, text] = name_and_value("--constant", given);
    char* end = nullptr;
    double value = text == "true" ? 1 : text == "false" ? 0 : std::strtod(text.c_str(), &end);
    const bool whole = end == nullptr || *end == '\0';
    if (!whole || !std::isfinite(value) || std::fabs(value) > 1e18)
      throw CommandError("--constant wants NAME=NUMBER, not '" + given + "'");
    constants[name] = value;
  }
  return constants;
}

double now_us() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string size_text(double bytes) {
  const char* units[] = {"B", "kB", "MB", "GB"};
  size_t unit = 0;
  while (bytes >= 1000 && unit < 3) {
    bytes /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.3g %s", bytes, units[unit]);
  return text;
}

std::string read_text(const std::string& path) {
  std::vector<uint8_t> bytes;
  std::string error;
  if (!read_whole_file(path, &bytes, &error)) throw CommandError(error);
  return {bytes.begin(), bytes.end()};
}

void write_text(const std::string& path, const std::string& text) {
  const std::string beside = path + ".part";
  std::ofstream out(beside, std::ios::binary);
  out << text;
  out.close();
  if (out.good() && std::rename(beside.c_str(), path.c_str()) == 0) return;
  std::remove(beside.c_str());
  throw CommandError("cannot write '" + path + "'");
}

}  // namespace heed::cli
