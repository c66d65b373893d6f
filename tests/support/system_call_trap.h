#pragma once
// Runs work in a process that the kernel kills for any system call but the exit.

#include <functional>

namespace heed::test {

enum class Ending { good, failed, killed };

/// How a child ended that may do nothing but compute: `work` returned true or false, or the child
/// was killed, be it for a system call or because it had not ended after so many seconds.
Ending end_without_system_calls(const std::function<bool()>& work, int seconds = 120);

/// Null where the above is to be relied upon, tried out on work that makes a system call and work
/// that makes none; else why not, for SKIP.
const char* why_system_calls_go_unseen();

}  // namespace heed::test
