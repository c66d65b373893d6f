// heed: converts, runs, measures, inspects and compares attention models.
// Exit codes: 0 done, 1 failed, 2 bad usage.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>

#include "engine/heed.h"
#include "platforms/cli/commands.h"

namespace {

constexpr int kFailed = 1, kBadUsage = 2;

}  // namespace

// The library's own would name the exception that nobody catches, for which it brings 50 kB.
#ifdef __GLIBCXX__
void __gnu_cxx::__verbose_terminate_handler() { std::abort(); }
#endif

int main(int argc, char** argv) {
  CLI::App program{"heed runs int8 attention models on phones, Raspberry Pis and laptops", "heed"};
  program.require_subcommand(1);
  program.set_version_flag("--version", std::string("heed ") + heed_version());
  program.footer("'heed COMMAND --help' tells more of each command.");
#if HEED_HAVE_CONVERTER
  heed::cli::add_convert(program);
#endif
  heed::cli::add_run(program);
  heed::cli::add_bench(program);
  heed::cli::add_inspect(program);
#if HEED_HAVE_CONVERTER
  heed::cli::add_compare(program);
#endif
  try {
    program.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : kBadUsage;
  } catch (const heed::cli::CommandError& error) {
    std::fprintf(stderr, "heed: %s\n", error.what());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "heed: not enough memory\n");
  } catch (const std::exception& error) {  // a source that nobody thought of: still no crash
    std::fprintf(stderr, "heed: the file makes no sense: %s\n", error.what());
  }
  return kFailed;
}
