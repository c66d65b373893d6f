#include "tests/support/system_call_trap.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/seccomp.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEED_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEED_SANITIZED 1
#endif
#endif

namespace heed::test {
namespace {

/// Waits for a child, and kills it after some seconds: an emulator that forks while one of its own
/// threads holds a lock leaves a child that waits for ever.
int status_within(pid_t child, int seconds) {
  int status = -1;
  const timespec millisecond = {0, 1000000};
  for (int64_t waited = 0; waited < int64_t{seconds} * 1000; ++waited) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) return -1;
    nanosleep(&millisecond, nullptr);
  }
  kill(child, SIGKILL);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

Ending end_without_system_calls(const std::function<bool()>& work, int seconds) {
  constexpr int kCannotForbid = 9;
  const pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(kCannotForbid);
    const bool good = work();
    syscall(SYS_exit, good ? 0 : 1);
  }
  const int status = status_within(child, seconds);
  if (!WIFEXITED(status)) return Ending::killed;
  return WEXITSTATUS(status) == 0 ? Ending::good : Ending::failed;
}

const char* why_system_calls_go_unseen() {
#if defined(HEED_SANITIZED)
  return "sanitizers make system calls of their own";
#else
  if (end_without_system_calls([] { return true; }, 10) != Ending::good)
    return "this system cannot forbid system calls to a process";
  if (end_without_system_calls([] { return getppid() != 0; }, 10) != Ending::killed)
    return "this system does not kill a process for a forbidden system call";
  return nullptr;
#endif
}

}  // namespace heed::test
