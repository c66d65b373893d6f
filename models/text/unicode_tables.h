#pragma once
// Tables behind unicode.h, each in ascending order; make_unicode_tables.py writes them.

#include <cstddef>
#include <cstdint>

namespace heed {

struct CodeRange {
  uint32_t first, last;
};
struct FoldRun {  // every stride-th character of first .. last
  uint32_t first, last, stride;
  int32_t difference;
};
struct FoldPair {
  uint32_t code, to;
};
struct FoldWord {
  uint32_t code, to[3];  // 0: no more
};

extern const CodeRange kLetters[], kNumbers[], kPunctuation[], kMarks[], kControls[];
extern const size_t kLettersCount, kNumbersCount, kPunctuationCount, kMarksCount, kControlsCount;
extern const FoldRun kFoldRuns[];
extern const FoldPair kFoldPairs[];
extern const FoldWord kFoldWords[];
extern const size_t kFoldRunsCount, kFoldPairsCount, kFoldWordsCount;

}  // namespace heed
