#pragma once
// Tables behind unicode.h, each in ascending order; make_unicode_tables.py writes them.

#include <cstddef>
#include <cstdint>

namespace heed {

struct CodeRange {
  uint32_t first : 21, more : 11;  // characters after the first
};
struct FoldRun {  // every stride-th character of first .. last
  uint32_t first, last, stride;
  int32_t difference;
};
struct FoldPair {
  uint16_t code, to;
};
struct FoldFarPair {
  uint32_t code, to;
};
struct FoldWord {
  uint32_t code, to[3];  // 0: no more
};

extern const CodeRange kLetters[], kNumbers[], kPunctuation[], kMarks[], kControls[];
extern const CodeRange kCapitals[], kSmalls[], kSpacingMarks[];
extern const CodeRange kJoiners[], kPrefixes[];  // that are no marks
extern const size_t kLettersCount, kNumbersCount, kPunctuationCount, kMarksCount, kControlsCount,
    kCapitalsCount, kSmallsCount, kSpacingMarksCount, kJoinersCount, kPrefixesCount;
extern const FoldRun kFoldRuns[];
extern const FoldPair kFoldPairs[], kFoldIdeographs[];  // the latter's codes: from 0x20000
extern const FoldFarPair kFoldFarPairs[];
extern const FoldWord kFoldWords[];
extern const size_t kFoldRunsCount, kFoldPairsCount, kFoldIdeographsCount, kFoldFarPairsCount,
    kFoldWordsCount;

}  // namespace heed
