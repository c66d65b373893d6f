#pragma once
// The commands of the program `heed`. Each adds itself to the command line; its action throws
// CommandError with one sentence for the user, which main prints before it exits with 1.

#include <CLI/CLI.hpp>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace heed::cli {

struct CommandError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void add_convert(CLI::App& program);
void add_run(CLI::App& program);
void add_bench(CLI::App& program);
void add_inspect(CLI::App& program);
void add_compare(CLI::App& program);

/// "NAME=VALUE" cut at the first '='; throws CommandError naming the option otherwise.
std::pair<std::string, std::string> name_and_value(const std::string& option,
                                                   const std::string& text);

/// The values of --constant NAME=VALUE; true and false are 1 and 0.
std::map<std::string, double> parse_constants(const std::vector<std::string>& texts);

double now_us();

/// "12.3 MB", "640 B": for people.
std::string size_text(double bytes);

/// Reads a whole file; throws CommandError when it cannot.
std::string read_text(const std::string& path);

/// Writes beside `path` and renames into place; throws CommandError when it cannot.
void write_text(const std::string& path, const std::string& text);

}  // namespace heed::cli
