// The program when the machine is against it: killed, without room on the disk, on a processor that
// lacks what this one has.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/heed.hpp"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

namespace {

namespace fs = std::filesystem;
using namespace heed::test;
using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

const std::string kDemo = std::string(HEED_SOURCE_DIR) + "/models/demo/";

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Starts a program; what it says goes to the file `said`. No file it writes may be longer than
/// `file_max`.
pid_t start(const Words& words, const std::string& said, rlim_t file_max = RLIM_INFINITY) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child != 0) return child;
  const int out = open(said.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(out, 1);
  dup2(out, 2);
  if (file_max != RLIM_INFINITY) {
    const rlimit limit{file_max, file_max};
    signal(SIGXFSZ, SIG_IGN);  // so that a write fails, as it does on a full disk
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(99);
  }
  execvp(arguments[0], arguments.data());
  _exit(98);
}

/// Exit code of a program that was started; -1 where a signal ended it.
int finish(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Words convert_to(const std::string& path) {
  return {HEED_PROGRAM, "convert", kDemo + "digits.onnx",     "-o", path, "--random-samples",
          "1",          "--task",  kDemo + "digits.task.json"};
}

bool opens(const std::string& path) {
  heed::Model model;
  return model.open(path.c_str()) == heed::Status::ok;
}

}  // namespace

TEST_CASE("convert, killed at any moment, leaves the old file or the whole new one, nothing else") {
  const TemporaryFolder folder, log;
  const std::string path = folder.file("out.heed"), said = log.file("said");
  auto whole = std::chrono::microseconds::max();  // of the quickest: others may have had to wait
  for (int i = 0; i < 3; ++i) {
    const auto begin = Clock::now();
    REQUIRE(finish(start(convert_to(path), said)) == 0);
    whole = std::min(
        whole, std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin));
  }
  const std::string good = slurp(path), old = "what was there before";
  const char* given = std::getenv("HEED_TEST_ROUNDS");
  SeededRandom random(5);
  int killed = 0;
  for (int round = 0; round < (given != nullptr ? std::atoi(given) : 24); ++round) {
    const bool replaces = round % 2 == 1;
    fs::remove(path);
    if (replaces) std::ofstream(path) << old;
    const pid_t child = start(convert_to(path), said);
    usleep(static_cast<useconds_t>(random.integer(0, whole.count())));
    kill(child, SIGKILL);
    killed += finish(child) == -1;
    INFO("round " << round);
    if (fs::exists(path)) {
      const std::string left = slurp(path);
      CHECK((left == good || (replaces && left == old)));
    } else {
      CHECK(!replaces);
    }
    CHECK(folder.files() == (fs::exists(path) ? 1 : 0));
  }
  CHECK(killed > 0);
  CHECK(opens(path) == (slurp(path) == good));
}

TEST_CASE("no room on the disk: one clear sentence, the old file as it was, nothing left") {
  const TemporaryFolder folder, log;
  const std::string path = folder.file("out.heed"), said = log.file("said");
  std::ofstream(path) << "old";
  CHECK(finish(start(convert_to(path), said, 20000)) == 1);
  INFO(slurp(said));
  CHECK(slurp(said).find("heed: ") == 0);
  CHECK(slurp(said).find("'" + path + "': cannot be written in full") != std::string::npos);
  CHECK(slurp(path) == "old");
  CHECK(folder.files() == 1);

  // What a run saves, and reports.
  const TemporaryFolder good;
  const std::string model = good.file("good.heed");
  REQUIRE(finish(start(convert_to(model), said)) == 0);
  const std::string saved = folder.file("saved");
  CHECK(finish(start({HEED_PROGRAM, "run", model, kDemo + "digits.png", "--save", saved}, said,
                     90)) == 1);
  INFO(slurp(said));
  CHECK(slurp(said).find("cannot") != std::string::npos);
  CHECK(slurp(said).find(saved) != std::string::npos);
  for (const auto& file : fs::recursive_directory_iterator(folder.path()))
    CHECK((file.is_directory() || file.path() == path));
}

#if defined(__x86_64__)
TEST_CASE("a processor without vector extensions runs the portable kernels, to the same bits") {
  const TemporaryFolder folder;
  const std::string said = folder.file("said");
  if (finish(start({"qemu-x86_64", "--version"}, said)) != 0)
    SKIP("qemu-x86_64 is not installed (package qemu-user)");
  const std::string model = folder.file("digits.heed");
  REQUIRE(finish(start(convert_to(model), said)) == 0);
  const auto run = [&](Words words, const std::string& name) {
    const Words more = {HEED_PROGRAM,         "run",    model,
                        kDemo + "digits.png", "--save", folder.file(name)};
    words.insert(words.end(), more.begin(), more.end());
    const int code = finish(start(words, said));
    INFO(slurp(said));
    REQUIRE(code == 0);
    std::string saved;
    for (const auto& file : fs::directory_iterator(folder.path() / name))
      saved += slurp(file.path().string());
    return saved;
  };
  const std::string here = run({}, "here");
  REQUIRE(!here.empty());
  // SSE2 and nothing else; SSE4.2; AVX2.
  for (const char* processor : {"qemu64", "Nehalem", "Haswell"}) {
    INFO(processor);
    CHECK(run({"qemu-x86_64", "-cpu", processor}, processor) == here);
  }
}
#endif
