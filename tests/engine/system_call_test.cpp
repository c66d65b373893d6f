// A run with one thread makes no system call at all: shown by a process that the kernel would kill
// for one.

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/seccomp.h>
#endif

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "engine/heed.hpp"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

namespace {

constexpr int kForbidden = 9;  // exit code of a child that could not forbid system calls

// Runs `work` in a child that may do nothing but compute and exit; its wait status.
template <class F>
int status_without_system_calls(const F& work) {
  const pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(kForbidden);
    const bool good = work();
    syscall(SYS_exit, good ? 0 : 1);
  }
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

bool can_forbid() {
  const int status = status_without_system_calls([] { return true; });
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a run with one thread makes no system call") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  SKIP("sanitizers make system calls of their own");
#endif
  if (!can_forbid()) SKIP("this system cannot forbid system calls to a process");
  const int seen = status_without_system_calls([] { return getppid() != 0; });
  CHECK(WIFSIGNALED(seen));  // the kernel does kill for one

  const AlignedBytes files[] = {feed_forward_model().bytes(), attention_model().bytes(),
                                lookup_model().bytes(), running_sum_model().bytes(),
                                convolution_model().bytes()};
  for (const AlignedBytes& bytes : files) {
    Model model;
    REQUIRE(model.open(bytes.span()) == Status::ok);
    Session session;
    REQUIRE(session.create(model) == Status::ok);
    const auto ids = session.input<int32_t>();
    std::fill(ids.begin(), ids.end(), 3);
    const int status = status_without_system_calls(
        [&] { return session.run() == Status::ok && session.run() == Status::ok; });
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}
