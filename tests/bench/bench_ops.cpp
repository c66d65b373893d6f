// Every kernel list of ops/, on the shapes of real models: every variant that this machine can run,
// one after the other, and where XNNPACK has the same operator, that. A line per contender:
// microseconds (the best of many runs); GMAC/s or GB/s; for int8 kernels the share of the peak that
// this process measured with the variant's own dot product; the share of what memory allows, that
// is the time that merely reading and writing the operands takes where they lie (near 100 % means
// that the memory is the limit); and the speed relative to XNNPACK. One thread.
//
//   bench_ops [TEXT] [--seconds S] [--json FILE]
//
// TEXT: only rows whose family, shape and variant contain it. S: for each contender (default 0.1).
// On a machine that does other work: chrt -f 50 taskset -c 1 bench_ops.

#include <xnnpack.h>

#include "tests/bench/int8_peak.h"
#include "tests/bench/race.h"

namespace {

int usage() {
  std::fprintf(stderr, "usage: bench_ops [TEXT] [--seconds S] [--json FILE]\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace heed::bench;
  std::string filter;
  double seconds = 0.1;
  const char* json = nullptr;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool option = word == "--seconds" || word == "--json";
    if (word.rfind("-", 0) == 0 && (!option || i + 1 == argc)) return usage();
    if (word == "--json") {
      json = argv[++i];
    } else if (word == "--seconds") {
      char* end = nullptr;
      seconds = std::strtod(argv[++i], &end);
      if (*end != '\0' || !(seconds >= 0 && seconds <= 60)) return usage();
    } else if (filter.empty()) {
      filter = word;
    } else {
      return usage();
    }
  }
  if (xnn_initialize(nullptr) != xnn_status_success) {
    std::fprintf(stderr, "bench_ops: XNNPACK cannot run here\n");
    return 1;
  }
  std::printf("%s; int8 peak of one core: %.1f GMAC/s (%s)\n", heed::isa_name(heed::detect_isa()),
              1e-9 * int8_peak(int8_peak_feature()), int8_peak_feature());
  Race race(filter, seconds, false);
  race_linear(&race);
  race_attention(&race);
  race_matmul(&race);
  race_rows(&race);
  race_elementwise(&race);
  if (race.rows() == 0) {
    std::fprintf(stderr, "bench_ops: no row contains '%s'\n", filter.c_str());
    return 1;
  }
  if (json != nullptr && !race.write_json(json)) {
    std::fprintf(stderr, "bench_ops: cannot write '%s'\n", json);
    return 1;
  }
  return 0;
}
