#pragma once
// Memory that is read later, asked for ahead.

#include <stddef.h>
#include <stdint.h>

namespace heed {
namespace {

/// A line of each page: its place is then known in time, and prefetchers, which stop at the end of
/// a page, go on in the next.
inline void ask_for_pages(const int8_t* p, ptrdiff_t bytes) {
  constexpr ptrdiff_t kPage = 4096;
  for (ptrdiff_t at = 0; at < bytes; at += kPage) __builtin_prefetch(p + at, 0, 2);
}

}  // namespace
}  // namespace heed
