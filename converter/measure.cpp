#include "converter/measure.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/evaluate.h"
#include "converter/lower.h"

namespace heed {
namespace {

using graph::Constant;
using graph::Graph;
using graph::ValueId;

[[noreturn]] void refuse(const char* doing, const heed_diagnostic& diagnostic) {
  char text[512];
  heed_diagnostic_text(&diagnostic, text, sizeof text);
  throw ConvertError(std::string("the engine cannot ") + doing + " the converted model: " + text,
                     "", "This is a fault of the converter, not of the model");
}

/// Sums that make SNR and cosine of float values x and their int8 counterparts y.
struct ErrorSums {
  double xx = 0, yy = 0, xy = 0, dd = 0, max_abs = 0;
  int64_t count = 0;

  void add(const float* x, const float* y, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      if (x[i] == y[i] && std::isinf(x[i])) continue;  // both hide the same key
      const double a = x[i], b = y[i], d = a - b;
      xx += a * a;
      yy += b * b;
      xy += a * b;
      dd += d * d;
      max_abs = std::max(max_abs, std::fabs(d));
    }
    count += static_cast<int64_t>(n);
  }
  double snr_db() const {
    if (std::isnan(dd)) return -kExactSnr;
    if (dd == 0) return kExactSnr;
    return std::clamp(10 * std::log10(std::max(xx, 1e-300) / dd), -kExactSnr, kExactSnr);
  }
  double cosine() const { return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : dd == 0 ? 1 : 0; }
  double rms() const { return std::sqrt(xx / static_cast<double>(std::max<int64_t>(1, count))); }
};

std::vector<float> as_floats(const Constant& constant) {
  if (constant.dtype == graph::DType::f32) return constant.f32;
  return std::vector<float>(constant.i64.begin(), constant.i64.end());
}

/// What one run of the engine stored: by tensor name.
struct Stored {
  std::string op;
  std::vector<int64_t> shape;  // without ones
  std::vector<float> values;
};

template <class Dims>
std::vector<int64_t> without_ones(const Dims& begin, size_t rank) {
  std::vector<int64_t> shape;
  for (size_t i = 0; i < rank; ++i)
    if (begin[i] != 1) shape.push_back(begin[i]);
  return shape;
}

/// Values [channels, positions] as the file has them: [positions, channels].
std::vector<float> channels_last(const std::vector<float>& values, int64_t channels) {
  const auto c = static_cast<size_t>(channels), positions = values.size() / c;
  std::vector<float> moved(values.size());
  for (size_t i = 0; i < c; ++i)
    for (size_t p = 0; p < positions; ++p) moved[p * c + i] = values[i * positions + p];
  return moved;
}

struct Watch {
  const heed_model* model;
  const char* entry_point;
  std::map<std::string, Stored> stored;
};

/// A stored tensor "x[:, 0:1]" is a part of the source's x (passes/narrow_rows.cpp names it so).
struct Part {
  std::string stored;
  std::vector<std::pair<int64_t, int64_t>> ranges;  // of the first dimensions; end -1: all

  std::optional<Constant> of(const Constant& whole) const {
    if (ranges.size() > whole.shape.size() || whole.dtype != graph::DType::f32) return std::nullopt;
    Constant part = whole;
    for (size_t d = 0; d < ranges.size(); ++d) {
      const auto [begin, end] = ranges[d];
      if (end < 0) continue;
      if (begin < 0 || begin >= end || end > part.shape[d]) return std::nullopt;
      int64_t inner = 1;
      for (size_t i = d + 1; i < part.shape.size(); ++i) inner *= part.shape[i];
      std::vector<float> kept;
      const int64_t step = part.shape[d] * inner;
      for (auto at = part.f32.begin(); at != part.f32.end(); at += step)
        kept.insert(kept.end(), at + begin * inner, at + end * inner);
      part.f32 = std::move(kept);
      part.shape[d] = end - begin;
    }
    return part;
  }
};

/// By the name of the source's value.
std::multimap<std::string, Part> parts_of(const Watch& watch) {
  std::multimap<std::string, Part> parts;
  for (const auto& [stored, tensor] : watch.stored) {
    std::string name = stored;
    if (name.ends_with(kQ8Suffix)) name.resize(name.size() - std::strlen(kQ8Suffix));
    const size_t open = name.rfind('[');
    if (open == std::string::npos || !name.ends_with("]")) continue;
    Part part{stored, {}};
    std::istringstream text(name.substr(open + 1, name.size() - open - 2));
    bool good = true;
    for (std::string range; good && std::getline(text >> std::ws, range, ',');) {
      int64_t begin = 0, end = -1;
      char colon = 0, rest = 0;
      std::istringstream numbers(range);
      good =
          range == ":" || (numbers >> begin >> colon >> end && colon == ':' && !(numbers >> rest));
      part.ranges.emplace_back(begin, end);
    }
    if (good) parts.emplace(name.substr(0, open), std::move(part));
  }
  return parts;
}

std::vector<float> floats_of(const heed_tensor& tensor) {
  size_t count = 1;
  for (int32_t d = 0; d < tensor.rank; ++d) count *= static_cast<size_t>(tensor.dims[d]);
  std::vector<float> values(count);
  if (heed_tensor_to_float(&tensor, values.data(), count) != HEED_OK) values.clear();
  return values;
}

void observe(void* user, heed_session* session, int32_t op) {
  auto& watch = *static_cast<Watch*>(user);
  heed_op info{};
  if (heed_model_op(watch.model, watch.entry_point, op, &info) != HEED_OK) return;
  for (int32_t i = 0; i < info.outputs; ++i) {
    int32_t index = -1;
    heed_tensor tensor{};
    if (heed_model_op_output(watch.model, watch.entry_point, op, i, &index) != HEED_OK ||
        index < 0 || heed_session_tensor(session, index, &tensor) != HEED_OK)
      continue;
    watch.stored[tensor.name] = {
        info.kind, without_ones(tensor.dims, static_cast<size_t>(tensor.rank)), floats_of(tensor)};
  }
}

/// One entry point: the engine first, every stored tensor kept; then the float source beside it.
class EntryMeasure {
 public:
  EntryMeasure(const heed_model* model, const MeasuredEntry& entry)
      : model_(model), entry_(entry), evaluator_(*entry.source) {
    heed_diagnostic diagnostic{};
    if (heed_session_create(model, nullptr, nullptr, 0, &session_, &diagnostic) != HEED_OK)
      refuse("make a session of", diagnostic);
  }
  ~EntryMeasure() { heed_session_destroy(session_); }
  EntryMeasure(const EntryMeasure&) = delete;
  EntryMeasure& operator=(const EntryMeasure&) = delete;

  void run(const InputValues& inputs) {
    heed_session_reset(session_);  // the float source begins with empty states, too
    Watch watch{model_, entry_.entry_point.c_str(), {}};
    heed_session_observe(session_, watch.entry_point, observe, &watch);
    for (size_t i = 0; i < inputs.size(); ++i) fill(entry_.source->inputs[i], inputs[i]);
    heed_diagnostic diagnostic{};
    if (heed_session_run(session_, watch.entry_point, &diagnostic) != HEED_OK)
      refuse("run", diagnostic);
    heed_session_observe(session_, watch.entry_point, nullptr, nullptr);
    const std::multimap<std::string, Part> parts = parts_of(watch);
    const auto seen = [&](ValueId id, const Constant& value) {
      const std::string& source = entry_.source->value(id).name;
      compare(watch, source, value);
      compare(watch, source + kQ8Suffix, value);
      const auto [first, last] = parts.equal_range(source);
      for (auto part = first; part != last; ++part)
        if (const auto some = part->second.of(value)) compare(watch, part->second.stored, *some);
    };
    const std::vector<Constant> outputs = evaluator_.run(inputs, seen);
    for (size_t i = 0; i < outputs.size(); ++i) compare_output(i, outputs[i]);
    ++samples_;
  }

  void report(Measurement* result) const {
    for (const auto& [name, layer] : layers_) {
      const ErrorSums& sums = layer.second;
      LayerError error;
      error.entry_point = entry_.entry_point;
      const std::string suffix = kQ8Suffix;
      const bool q8 = name.size() > suffix.size() &&
                      name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
      error.tensor = q8 ? name.substr(0, name.size() - suffix.size()) : name;
      error.op = q8 ? layer.first + " int8" : layer.first;
      error.snr_db = sums.snr_db();
      error.cosine = sums.cosine();
      error.max_abs = sums.max_abs;
      error.rms = sums.rms();
      result->layers.push_back(error);
    }
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const OutputSums& sums = outputs_[i];
      OutputError error;
      error.entry_point = entry_.entry_point;
      error.tensor = entry_.source->value(entry_.source->outputs[i]).name;
      error.snr_db = sums.sums.snr_db();
      error.cosine = sums.sums.cosine();
      error.max_abs = sums.sums.max_abs;
      if (sums.rows > 0)
        error.answers_kept = static_cast<double>(sums.kept) / static_cast<double>(sums.rows);
      error.samples = samples_;
      result->outputs.push_back(error);
    }
  }

 private:
  struct OutputSums {
    ErrorSums sums;
    int64_t rows = 0, kept = 0;
  };

  void fill(ValueId id, const Constant& value) {
    const std::string& name = entry_.source->value(id).name;
    heed_tensor tensor{};
    // An input that nothing reads may not have come through.
    if (heed_session_input(session_, entry_.entry_point.c_str(), name.c_str(), &tensor) != HEED_OK)
      return;
    if (tensor.type == HEED_F32) {
      std::memcpy(tensor.data, value.f32.data(), value.f32.size() * sizeof(float));
    } else if (tensor.type == HEED_I64) {
      std::memcpy(tensor.data, value.i64.data(), value.i64.size() * sizeof(int64_t));
    } else {
      auto* bytes = static_cast<uint8_t*>(tensor.data);
      for (size_t i = 0; i < value.i64.size(); ++i) bytes[i] = value.i64[i] != 0;
    }
  }

  void compare(const Watch& watch, const std::string& name, const Constant& value) {
    const auto found = watch.stored.find(name);
    if (found == watch.stored.end() || value.dtype != graph::DType::f32 ||
        found->second.values.size() != value.f32.size())
      return;
    auto& layer = layers_[name];
    layer.first = found->second.op;
    // Convolutions moved their channels to the end, and kept their names.
    const std::vector<int64_t> shape = without_ones(value.shape, value.shape.size());
    const bool moved = shape.size() >= 2 && !found->second.shape.empty() &&
                       shape.back() != found->second.shape.back() &&
                       shape.front() == found->second.shape.back();
    const std::vector<float> last =
        moved ? channels_last(value.f32, shape.front()) : std::vector<float>{};
    layer.second.add(moved ? last.data() : value.f32.data(), found->second.values.data(),
                     value.f32.size());
  }

  void compare_output(size_t index, const Constant& expected) {
    heed_tensor tensor{};
    const std::string& name = entry_.source->value(entry_.source->outputs[index]).name;
    if (heed_session_output(session_, entry_.entry_point.c_str(), name.c_str(), &tensor) != HEED_OK)
      throw ConvertError("the converted model has no output '" + name + "'", entry_.entry_point);
    const std::vector<float> x = as_floats(expected), y = floats_of(tensor);
    if (x.size() != y.size())
      throw ConvertError("output '" + name + "' has another size than the source's",
                         entry_.entry_point);
    outputs_.resize(std::max(outputs_.size(), index + 1));
    OutputSums& sums = outputs_[index];
    sums.sums.add(x.data(), y.data(), x.size());
    count_answers(expected, x, y, &sums);
  }

  /// Rows whose largest value is an answer: scores of one choice, or probabilities.
  static void count_answers(const Constant& expected, const std::vector<float>& x,
                            const std::vector<float>& y, OutputSums* sums) {
    if (expected.dtype != graph::DType::f32 || expected.shape.empty() || expected.shape.back() < 2)
      return;
    const bool probabilities =
        std::all_of(x.begin(), x.end(), [](float v) { return v >= 0 && v <= 1; });
    if (expected.shape.size() > 2 && !probabilities) return;
    const auto width = static_cast<ptrdiff_t>(expected.shape.back());
    for (ptrdiff_t row = 0; row + width <= static_cast<ptrdiff_t>(x.size()); row += width) {
      const auto a = std::max_element(x.begin() + row, x.begin() + row + width) - x.begin();
      const auto b = std::max_element(y.begin() + row, y.begin() + row + width) - y.begin();
      ++sums->rows;
      if (a == b) ++sums->kept;
    }
  }

  const heed_model* model_;
  const MeasuredEntry& entry_;
  graph::Evaluator evaluator_;
  heed_session* session_ = nullptr;
  std::map<std::string, std::pair<std::string, ErrorSums>> layers_;
  std::vector<OutputSums> outputs_;
  int32_t samples_ = 0;
};

}  // namespace

Measurement measure(const heed_model* model, const std::vector<MeasuredEntry>& entries) {
  Measurement result;
  for (const MeasuredEntry& entry : entries) {
    EntryMeasure measurement(model, entry);
    for (const InputValues& sample : entry.samples) measurement.run(sample);
    measurement.report(&result);
  }
  std::stable_sort(result.layers.begin(), result.layers.end(),
                   [](const LayerError& a, const LayerError& b) { return a.snr_db < b.snr_db; });
  return result;
}

}  // namespace heed
