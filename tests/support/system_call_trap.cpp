#include "tests/support/system_call_trap.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

Ending end_without_system_calls(const std::function<bool()>& work) {
  constexpr int kCannotForbid = 9;
  const pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(kCannotForbid);
    const bool good = work();
    syscall(SYS_exit, good ? 0 : 1);
  }
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) return Ending::killed;
  return WEXITSTATUS(status) == 0 ? Ending::good : Ending::failed;
}

const char* why_system_calls_go_unseen() {
#if defined(HEED_SANITIZED)
  return "sanitizers make system calls of their own";
#else
  if (end_without_system_calls([] { return true; }) != Ending::good)
    return "this system cannot forbid system calls to a process";
  if (end_without_system_calls([] { return getppid() != 0; }) != Ending::killed)
    return "this system does not kill a process for a forbidden system call";
  return nullptr;
#endif
}

}  // namespace heed::test
