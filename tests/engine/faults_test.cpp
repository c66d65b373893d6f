// What the system may refuse: memory, threads, instruction sets. Each refusal is a clear error, or
// done without; nothing leaks.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <functional>
#include <string>

#include "engine/heed.hpp"
#include "tests/support/alloc_trap.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

namespace {

struct Attempt {
  Status status = Status::ok;
  bool happened = false, said_why = true;
  int64_t outstanding = 0;
};

/// Opens, creates and runs while the nth allocation fails. Allocates nothing itself.
Attempt with_failure(int64_t nth, const std::function<Status(heed_diagnostic*)>& work) {
  Attempt attempt;
  heed_diagnostic diagnostic{};
  const AllocTrap trap;
  {
    const AllocFailure failure(nth);
    attempt.status = work(&diagnostic);
    attempt.happened = failure.happened();
  }
  attempt.outstanding = trap.outstanding();
  attempt.said_why = attempt.status == Status::ok || strlen(diagnostic.what) > 0;
  return attempt;
}

Status live(Model& model, int32_t threads, heed_diagnostic* diagnostic) {
  heed_options options{};
  options.threads = threads;
  Session session;
  HEED_TRY(session.create(model, options, diagnostic));
  return session.run(nullptr, diagnostic);
}

/// How the work ended in a process that may have no other threads: its exit code, -1 for a crash.
int without_threads(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    if (geteuid() == 0 && setuid(65534) != 0) _exit(77);  // root may have any number
    const rlimit none{0, 0};
    if (setrlimit(RLIMIT_NPROC, &none) != 0) _exit(77);
    pthread_t probe;
    if (pthread_create(
            &probe, nullptr, [](void* p) { return p; }, nullptr) == 0)
      _exit(77);
    _exit(work());
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("every allocation of opening a model and creating a session fails in turn, cleanly") {
  if (!AllocFailure::works()) SKIP("allocations cannot be made to fail under a sanitizer");
  TinyModel tiny[] = {attention_model(), convolution_model(), running_sum_model()};
  const TemporaryFolder folder;
  for (TinyModel& model : tiny) {
    const AlignedBytes bytes = model.bytes();
    const std::string path =
        folder.write("model.heed", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    for (const int32_t threads : {1, 2}) {
      const auto work = [&](heed_diagnostic* diagnostic) {
        Model opened;
        HEED_TRY(opened.open(path.c_str(), diagnostic));
        return live(opened, threads, diagnostic);
      };
      // What is made once is made now: a static program's first exception leaves the unwinder's
      // tables behind.
      REQUIRE(with_failure(INT64_MAX, work).status == Status::ok);
      REQUIRE(with_failure(0, work).status == Status::out_of_memory);
      int64_t points = 0, errors = 0;
      for (Attempt attempt; (attempt = with_failure(points, work)).happened; ++points) {
        INFO("allocation " << points << " of " << threads << " threads");
        CHECK(attempt.outstanding == 0);
        CHECK(attempt.said_why);
        // Where threads cannot be had, fewer do the work: not every failure is an error.
        if (attempt.status == Status::ok)
          CHECK(threads > 1);
        else
          CHECK(attempt.status == Status::out_of_memory);
        errors += attempt.status != Status::ok;
      }
      CHECK(points > 5);
      CHECK(errors > 5);
    }
  }
}

TEST_CASE("where the system refuses threads, a session does with those there are") {
  for (const auto make : {+[] { return attention_model(); }, +[] { return convolution_model(); }}) {
    TinyModel tiny = make();
    const AlignedBytes bytes = tiny.bytes();
    const int code = without_threads([&] {
      Model model;
      heed_options options{};
      options.threads = 4;
      Session session;
      if (model.open(bytes.span()) != Status::ok) return 1;
      if (session.create(model, options) != Status::ok) return 2;
      if (heed_session_threads(session.get()) != 1) return 3;
      return session.run() == Status::ok ? 0 : 4;
    });
    if (code == 77) SKIP("this system does not refuse threads");
    CHECK(code == 0);
  }
}
