// Decoding of speech: CTC against all alignments, Whisper's rules, beams against all sequences,
// word timings and the measure of repetition.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory_resource>

#include "models/decode/ctc.h"
#include "models/decode/hypotheses.h"
#include "models/decode/whisper_rules.h"
#include "models/decode/word_timing.h"
#include "tests/support/alloc_trap.h"
#include "tests/support/seeded_random.h"

using heed::test::AllocTrap;
using heed::test::SeededRandom;

namespace {

std::vector<float> log_rows(uint64_t seed, size_t rows, size_t width) {
  SeededRandom random(seed);
  std::vector<float> out(rows * width);
  for (float& value : out) value = random.uniform(-3.0f, 3.0f);
  for (size_t r = 0; r < rows; ++r) heed::log_softmax_in_place(out.data() + r * width, width);
  return out;
}

// The probability of every label sequence, summed over all label^frames alignments.
std::map<std::vector<int32_t>, double> all_sequences(const std::vector<float>& rows, size_t labels,
                                                     int32_t blank) {
  const size_t frames = rows.size() / labels;
  size_t count = 1;
  for (size_t f = 0; f < frames; ++f) count *= labels;
  std::map<std::vector<int32_t>, double> sums;
  for (size_t path = 0; path < count; ++path) {
    double sum = 0;
    std::vector<int32_t> said;
    int32_t before = blank;
    for (size_t f = 0, rest = path; f < frames; ++f, rest /= labels) {
      const int32_t label = static_cast<int32_t>(rest % labels);
      sum += static_cast<double>(rows[f * labels + rest % labels]);
      if (label != blank && label != before) said.push_back(label);
      before = label;
    }
    sums[said] += std::exp(sum);
  }
  return sums;
}

/// Where labels begin, by Viterbi's algorithm as books have it; label 0 is the blank.
std::vector<int32_t> all_steps(const std::vector<float>& rows, size_t labels,
                               const std::vector<int32_t>& said) {
  const size_t frames = rows.size() / labels, places = 2 * said.size() + 1;
  std::vector<double> score(places, -std::numeric_limits<double>::infinity());
  std::vector<uint8_t> steps(frames * places);
  score[0] = 0;
  for (size_t f = 0; f < frames; ++f) {
    const std::vector<double> before = score;
    for (size_t p = 0; p < places; ++p) {
      const size_t label = p % 2 == 0 ? 0 : static_cast<size_t>(said[p / 2]);
      const bool skips = p % 2 == 1 && p >= 3 && said[p / 2] != said[p / 2 - 1];
      size_t from = p;
      if (p >= 1 && before[p - 1] > before[from]) from = p - 1;
      if (skips && before[p - 2] > before[from]) from = p - 2;
      score[p] = before[from] + static_cast<double>(rows[f * labels + label]);
      steps[f * places + p] = static_cast<uint8_t>(p - from);
    }
  }
  std::vector<int32_t> begins(said.size(), -1);
  size_t place = places - 1;
  if (place > 0 && score[place - 1] > score[place]) --place;
  for (size_t f = frames; f-- > 0;) {
    const size_t step = steps[f * places + place];
    if (step > 0 && place % 2 == 1) begins[place / 2] = static_cast<int32_t>(f);
    place -= step;
  }
  return begins;
}

}  // namespace

TEST_CASE("CTC's most probable alignment of what a greedy reading said is that reading") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    INFO(seed);
    const std::vector<float> rows = log_rows(seed, 20, 4);
    std::vector<int32_t> said(20), begins(20), aligned(20, -1);
    said.resize(heed::ctc_greedy(rows.data(), 20, 4, 1, said.data(), begins.data()));
    REQUIRE(heed::ctc_align(rows.data(), 20, 4, 1, said, aligned.data()));
    for (size_t i = 0; i < said.size(); ++i) CHECK(aligned[i] == begins[i]);
  }
  // Two labels alike need a frame between them.
  const std::vector<float> rows = log_rows(1, 3, 2);
  std::vector<int32_t> begins(2, -1);
  CHECK_FALSE(heed::ctc_align(rows.data(), 2, 2, 0, std::vector<int32_t>{1, 1}, begins.data()));
  CHECK(heed::ctc_align(rows.data(), 3, 2, 0, std::vector<int32_t>{1, 1}, begins.data()));
  CHECK((begins[0] == 0 && begins[1] == 2));
}

TEST_CASE("CTC's alignment of any labels is that of all steps kept at once") {
  constexpr size_t kFrames = 1600, kLabels = 5;
  for (const size_t count : {size_t{900}, size_t{400}, size_t{1599}, size_t{1}, size_t{0}}) {
    INFO(count << " labels");
    std::vector<float> rows = log_rows(count + 1, kFrames, kLabels);
    for (float& value : rows) value = std::round(2 * value);  // many ways are equal
    SeededRandom random(count);
    std::vector<int32_t> said(count), begins(count, -1);
    for (size_t i = 0; i < count; ++i) {
      said[i] = static_cast<int32_t>(random.integer(1, kLabels - 1));
      if (count > 1000 && i > 0 && said[i] == said[i - 1]) said[i] = said[i] % 4 + 1;
    }
    REQUIRE(heed::ctc_align(rows.data(), kFrames, kLabels, 0, said, begins.data()));
    CHECK(begins == all_steps(rows, kLabels, said));
  }
}

TEST_CASE("ten minutes of speech without a pause are aligned in little memory") {
  struct Counter : std::pmr::memory_resource {
    size_t now = 0, most = 0;
    void* do_allocate(size_t bytes, size_t alignment) override {
      most = std::max(most, now += bytes);
      return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    void do_deallocate(void* at, size_t bytes, size_t alignment) override {
      now -= bytes;
      std::pmr::new_delete_resource()->deallocate(at, bytes, alignment);
    }
    bool do_is_equal(const memory_resource& other) const noexcept override {
      return this == &other;
    }
  };
  constexpr size_t kFrames = 30000, kLabels = 6;  // 20 ms each
  std::vector<float> rows = log_rows(3, kFrames, kLabels);
  SeededRandom random(4);
  for (size_t f = 0, label = 0; f < kFrames; ++f) {
    if (random.integer(0, 5) == 0) label = static_cast<size_t>(random.integer(0, kLabels - 1));
    rows[f * kLabels + label] += 5;
  }
  std::vector<int32_t> said(kFrames), begins(kFrames);
  said.resize(heed::ctc_greedy(rows.data(), kFrames, kLabels, 0, said.data(), begins.data()));
  REQUIRE(said.size() > 3000);
  begins.resize(said.size());
  std::vector<int32_t> aligned(said.size(), -1);
  Counter counter;
  REQUIRE(heed::ctc_align(rows.data(), kFrames, kLabels, 0, said, aligned.data(), &counter));
  CHECK(aligned == begins);
  // Two bits for each frame and place would be 50 MB and more.
  CHECK(counter.most < 300 * said.size() + 16 * kFrames + (size_t{1} << 18));
  CHECK(counter.now == 0);
}

TEST_CASE("CTC's beam finds the sequence whose alignments together are the most probable") {
  heed::CtcBeam beam, narrow;
  beam.create(64, 3, 7, 7);
  narrow.create(2, 3, 7, 7);
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    INFO(seed);
    const std::vector<float> rows = log_rows(seed, 7, 3);
    const auto sums = all_sequences(rows, 3, 0);
    const auto best = std::max_element(
        sums.begin(), sums.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    heed::CtcBeam::Result found, few;
    {
      const AllocTrap trap;
      found = beam.search(rows.data(), 7, 0);
      few = narrow.search(rows.data(), 7, 0);
      CHECK(trap.count() == 0);
    }
    CHECK(std::vector<int32_t>(found.labels.begin(), found.labels.end()) == best->first);
    CHECK(std::abs(std::exp(found.log_probability) - best->second) < 1e-6);
    CHECK(few.log_probability <= found.log_probability + 1e-9);
  }
}

TEST_CASE("CTC's greedy search joins repeats, drops blanks and says when") {
  const int32_t best[] = {0, 2, 2, 0, 2, 1, 1, 0};
  std::vector<float> rows(8 * 3, -9.0f);
  for (size_t f = 0; f < 8; ++f) rows[f * 3 + static_cast<size_t>(best[f])] = 0;
  int32_t out[8], first[8];
  REQUIRE(heed::ctc_greedy(rows.data(), 8, 3, 0, out, first) == 3);
  CHECK((out[0] == 2 && out[1] == 2 && out[2] == 1));
  CHECK((first[0] == 1 && first[1] == 4 && first[2] == 5));
}

TEST_CASE("a beam as wide as the tree finds the most probable sequence, a beam of one is greedy") {
  constexpr size_t kWords = 4;
  constexpr int32_t kEnd = 3;
  const std::vector<float> table = log_rows(5, kWords + 1, kWords);
  // What may follow depends on the last word alone.
  const auto row_after = [&](std::span<const int32_t> said) {
    return table.data() + (said.empty() ? kWords : static_cast<size_t>(said.back())) * kWords;
  };
  heed::Hypotheses search;
  search.create(5, 6);
  const auto run = [&](size_t rows, float temperature, uint64_t seed) {
    search.begin(rows, temperature, seed, kEnd);
    std::vector<float> logs(rows * kWords);
    bool going = true;
    while (going) {
      for (size_t r = 0; r < rows; ++r)
        std::copy_n(row_after(search.said(r)), kWords, logs.data() + r * kWords);
      const AllocTrap trap;
      going = search.step(logs.data(), kWords);
      CHECK(trap.count() == 0);
    }
    return search.best();
  };
  const heed::Hypotheses::Result greedy = run(1, 0, 0);
  std::vector<int32_t> expected;
  double sum = 0;
  for (;;) {
    const float* row = row_after(expected);
    const int32_t token = static_cast<int32_t>(std::max_element(row, row + kWords) - row);
    sum += static_cast<double>(row[token]);
    if (token == kEnd) break;
    expected.push_back(token);
    if (expected.size() == 6) break;
  }
  CHECK(std::vector<int32_t>(greedy.tokens.begin(), greedy.tokens.end()) == expected);
  CHECK(std::abs(greedy.sum - sum) < 1e-6);
  const double greedy_mean = greedy.sum / static_cast<double>(std::max<size_t>(1, expected.size()));
  const heed::Hypotheses::Result wide = run(5, 0, 0);
  CHECK(wide.sum / static_cast<double>(std::max<size_t>(1, wide.tokens.size())) >= greedy_mean);
  // Its sum is that of its words.
  double again = 0;
  std::vector<int32_t> said(wide.tokens.begin(), wide.tokens.end());
  for (size_t i = 0; i < said.size(); ++i)
    again += static_cast<double>(row_after({said.data(), i})[said[i]]);
  if (wide.complete) again += static_cast<double>(row_after(said)[kEnd]);
  CHECK(std::abs(again - wide.sum) < 1e-6);
  // Samples: the same seed the same words, and not always the most probable.
  const auto tokens = [](const heed::Hypotheses::Result& result) {
    return std::vector<int32_t>(result.tokens.begin(), result.tokens.end());
  };
  const std::vector<int32_t> first = tokens(run(1, 1.0f, 7));
  CHECK(tokens(run(1, 1.0f, 7)) == first);
  size_t different = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) different += tokens(run(1, 1.0f, seed)) != first;
  CHECK(different > 0);
}

TEST_CASE("Whisper's rules: suppressed tokens, pairs of timestamps, none that runs backwards") {
  heed::WhisperTokens tokens;
  tokens.end = 10;
  tokens.start = 11;
  tokens.first_language = 12;
  tokens.languages = 2;
  tokens.no_timestamps = 14;
  tokens.first_timestamp = 15;
  constexpr size_t kVocabulary = 15 + 101;
  heed::WhisperRules rules;
  const int32_t suppressed[] = {3}, begin[] = {0, 10};
  rules.create(tokens, kVocabulary, suppressed, begin);
  const auto allowed = [&](const std::vector<int32_t>& said, bool timestamps = true,
                           float timestamp_logit = -9) {
    std::vector<float> logits(kVocabulary, 0.0f);
    std::fill(logits.begin() + 15, logits.end(), timestamp_logit);
    rules.apply(said, {timestamps, 50}, logits.data());
    std::vector<bool> out;
    for (const float logit : logits) out.push_back(std::isfinite(logit));
    return out;
  };
  auto a = allowed({});
  CHECK((!a[1] && !a[10] && a[15] && a[65] && !a[66]));  // a timestamp of at most a second
  a = allowed({15});
  CHECK((a[1] && a[10] && !a[3] && !a[11] && !a[12] && !a[13] && !a[14] && !a[15] && !a[40]));
  a = allowed({15, 1});
  CHECK((a[1] && a[10] && !a[15] && a[16]));
  a = allowed({15, 1, 20});  // the end of a segment: the next begin, or all ends
  CHECK((!a[1] && a[10] && !a[19] && a[20] && a[21]));
  a = allowed({15, 1, 20, 20});
  CHECK((a[1] && !a[20] && !a[21]));
  a = allowed({15, 1, 20, 20, 2});
  CHECK((a[1] && !a[20] && a[21]));
  a = allowed({15, 1}, true, 0);  // together the timestamps outweigh every word
  CHECK((!a[1] && !a[10] && a[16]));
  a = allowed({}, false);
  CHECK((!a[0] && a[1] && !a[10] && a[15]));  // the original rules nothing out for want of them
}

TEST_CASE("words are timed along the path that the heads looked along") {
  heed::WordTiming timing;
  timing.create(2, 6, 60);
  SeededRandom random(2);
  const int32_t begins[] = {0, 9, 14, 30, 41, 60};
  for (size_t h = 0; h < 2; ++h)
    for (int32_t t = 0; t < 5; ++t)
      for (int32_t f = 0; f < 60; ++f)
        timing.row(h, static_cast<size_t>(t))[f] =
            random.uniform(0.0f, 0.02f) + (f >= begins[t] && f < begins[t + 1] ? 0.3f : 0.0f);
  const AllocTrap trap;
  const auto starts = timing.align(5, 60);
  CHECK(trap.count() == 0);
  REQUIRE(starts.size() == 6);
  for (size_t t = 0; t < 6; ++t) CHECK(std::abs(starts[t] - begins[t]) <= 1);
  CHECK(timing.align(0, 60).size() == 1);
  CHECK(timing.align(3, 1).back() == 1);
}

TEST_CASE("repetition is measured about as zlib measures it") {
  // Bytes over those of zlib's compress() at its default level.
  const std::pair<std::string, double> known[] = {
      {"And so my fellow Americans ask not what your country can do for you, ask what you can do "
       "for your country.",
       1.342},
      {"Thank you. Thank you. Thank you. Thank you. Thank you. Thank you.", 2.955},
      {"The quick brown fox jumps over the lazy dog while a considerable number of other animals "
       "look on, none of which has anything to say about it, although several seem to wonder.",
       1.318},
      {"Ever tried ever failed, no matter try again, fail again, fail better.", 1.255},
      {"la la la la la la la la la la la la la la", 2.929}};
  for (const auto& [text, ratio] : known) {
    INFO(text);
    CHECK(std::abs(heed::compression_ratio(text.data(), text.size()) / ratio - 1) < 0.12);
  }
  std::string loop;
  for (int i = 0; i < 50; ++i) loop += "you ";
  CHECK(heed::compression_ratio(loop.data(), loop.size()) > 8);
  CHECK(heed::compression_ratio("", 0) == 0);
  // Of what no window of speech could say, some thousand bytes are looked at: all of it took hours.
  const std::string endless(size_t{64} << 20, 'a');
  CHECK(heed::compression_ratio(endless.data(), endless.size()) > 100);
}
