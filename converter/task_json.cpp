#include "converter/task_json.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <sstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "converter/graph/convert_error.h"
#include "models/whole_file.h"

namespace heed {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& what, const std::string& place) {
  throw ConvertError(what, "task file, " + place, "converter/task_json.md lists all keys");
}

/// One object of the file: every key it may have with what to do with its value.
using Keys = std::map<std::string, std::function<void(const json&)>>;

void read_object(const json& object, const std::string& place, const Keys& keys) {
  if (!object.is_object()) refuse("it must be an object", place);
  for (const auto& [key, value] : object.items()) {
    const auto found = keys.find(key);
    if (found == keys.end()) {
      std::string known;
      for (const auto& entry : keys) {
        if (!known.empty()) known += ", ";
        known += entry.first;
      }
      refuse("unknown key '" + key + "'; known are " + known, place);
    }
    try {
      found->second(value);
    } catch (const json::exception&) {
      refuse("key '" + key + "' has a value of the wrong type", place);
    }
  }
}

std::function<void(const json&)> into(std::string& field) {
  return [&field](const json& value) { field = value.get<std::string>(); };
}
std::function<void(const json&)> into(bool& field) {
  return [&field](const json& value) { field = value.get<bool>(); };
}
std::function<void(const json&)> into(float& field) {
  return [&field](const json& value) { field = value.get<float>(); };
}
std::function<void(const json&)> into(std::vector<float>& field) {
  return [&field](const json& value) { field = value.get<std::vector<float>>(); };
}
std::function<void(const json&)> into(uint32_t& field, const char* key) {
  return [&field, key](const json& value) {
    if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() > UINT32_MAX)
      refuse(std::string("'") + key + "' must be a whole number, zero or more", "its constants");
    field = value.get<uint32_t>();
  };
}
std::function<void(const json&)> one_of(std::string& field, const char* key,
                                        std::vector<std::string> allowed) {
  return [&field, key, allowed = std::move(allowed)](const json& value) {
    field = value.get<std::string>();
    std::string list;
    for (const std::string& word : allowed) {
      if (word == field) return;
      if (!list.empty()) list += ", ";
      list.append(1, '"').append(word).append(1, '"');
    }
    refuse(std::string("'") + key + "' is \"" + field + "\"; it must be one of " + list,
           "its constants");
  };
}

// Pillow's filters, in the order of Pillow's numbers.
std::function<void(const json&)> into_resample(uint8_t& field) {
  return [&field](const json& value) {
    static const std::vector<std::string> filters = {"nearest", "lanczos", "bilinear",
                                                     "bicubic", "box",     "hamming"};
    std::string name;
    one_of(name, "resample", filters)(value);
    field = static_cast<uint8_t>(std::find(filters.begin(), filters.end(), name) - filters.begin());
  };
}

std::vector<std::string> read_label_file(const std::string& path, int64_t column) {
  std::vector<uint8_t> bytes;
  std::string error;
  if (!read_whole_file(path, &bytes, &error)) refuse(error, "labels");
  std::istringstream file(std::string(bytes.begin(), bytes.end()));
  std::vector<std::string> labels;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    size_t begin = 0;
    for (int64_t i = 0; i < column; ++i) {
      const size_t tab = line.find('\t', begin);
      if (tab == std::string::npos)
        refuse("labels file '" + path + "' has a line without column " + std::to_string(column) +
                   ": " + line,
               "labels");
      begin = tab + 1;
    }
    labels.push_back(line.substr(begin, line.find('\t', begin) - begin));
  }
  return labels;
}

void read_labels(const json& value, const std::string& folder, std::vector<std::string>& labels) {
  if (value.is_array()) {
    labels = value.get<std::vector<std::string>>();
    return;
  }
  std::string path;
  int64_t column = 0;
  read_object(
      value, "labels",
      {{"labels_file", into(path)}, {"column", [&](const json& v) { column = v.get<int64_t>(); }}});
  if (path.empty()) refuse("an object needs the key 'labels_file'", "labels");
  labels =
      read_label_file(path.front() == '/' || folder.empty() ? path : folder + "/" + path, column);
}

std::unique_ptr<fb::AudioFrontendT> read_audio(const json& value) {
  auto audio = std::make_unique<fb::AudioFrontendT>();
  fb::AudioFrontendT& a = *audio;
  read_object(
      value, "audio",
      {{"kind", one_of(a.kind, "kind", {"mfcc", "log_mel", "pcm"})},
       {"sample_rate_hz", into(a.sample_rate_hz, "sample_rate_hz")},
       {"clip_samples", into(a.clip_samples, "clip_samples")},
       {"window_samples", into(a.window_samples, "window_samples")},
       {"hop_samples", into(a.hop_samples, "hop_samples")},
       {"fft_size", into(a.fft_size, "fft_size")},
       {"mel_bins", into(a.mel_bins, "mel_bins")},
       {"mel_low_hz", into(a.mel_low_hz)},
       {"mel_high_hz", into(a.mel_high_hz)},
       {"coefficients", into(a.coefficients, "coefficients")},
       {"mel_scale", one_of(a.mel_scale, "mel_scale", {"htk", "slaney"})},
       {"power", into(a.power)},
       {"log_floor", into(a.log_floor)},
       {"normalize", one_of(a.normalize, "normalize", {"", "whisper", "unit", "per_feature"})},
       {"log_offset", into(a.log_offset)},
       {"preemphasis", into(a.preemphasis)},
       {"symmetric_window", into(a.symmetric_window)},
       {"zero_padded", into(a.zero_padded)},
       {"center", into(a.center)},
       {"layout", one_of(a.layout, "layout", {"frames_first", "features_first"})},
       {"mel_bins_last_fft_bin", into(a.mel_bins_last_fft_bin, "mel_bins_last_fft_bin")}});
  if (a.kind.empty()) refuse("key 'kind' is missing", "audio");
  if (a.sample_rate_hz == 0) refuse("key 'sample_rate_hz' is missing", "audio");
  return audio;
}

std::unique_ptr<fb::DetectionT> read_detection(const json& value) {
  auto detection = std::make_unique<fb::DetectionT>();
  fb::DetectionT& d = *detection;
  read_object(value, "detection",
              {{"stream_hop_samples", into(d.stream_hop_samples, "stream_hop_samples")},
               {"threshold", into(d.threshold)},
               {"smoothing_ms", into(d.smoothing_ms, "smoothing_ms")},
               {"refractory_ms", into(d.refractory_ms, "refractory_ms")},
               {"min_speech_ms", into(d.min_speech_ms, "min_speech_ms")},
               {"min_silence_ms", into(d.min_silence_ms, "min_silence_ms")},
               {"ignored", [&](const json& v) { d.ignored = v.get<std::vector<std::string>>(); }}});
  for (const uint32_t ms : {d.smoothing_ms, d.refractory_ms, d.min_speech_ms, d.min_silence_ms})
    if (ms > 60000) refuse("a time of more than a minute makes no sense", "detection");
  return detection;
}

std::unique_ptr<fb::ImagePreprocessT> read_image(const json& value) {
  auto image = std::make_unique<fb::ImagePreprocessT>();
  fb::ImagePreprocessT& i = *image;
  read_object(value, "image",
              {{"width", into(i.width, "width")},
               {"height", into(i.height, "height")},
               {"channels", into(i.channels, "channels")},
               {"resize_shorter", into(i.resize_shorter, "resize_shorter")},
               {"mean", into(i.mean)},
               {"std", into(i.std)},
               {"layout", one_of(i.layout, "layout", {"chw", "hwc"})},
               {"invert", into(i.invert)},
               {"resize_width", into(i.resize_width, "resize_width")},
               {"resize_height", into(i.resize_height, "resize_height")},
               {"longer_rounds_down", into(i.longer_rounds_down)},
               {"resize", into(i.resize)},
               {"resample", into_resample(i.resample)},
               {"rescale", into(i.rescale)},
               {"bgr", into(i.bgr)}});
  if (i.width == 0 || i.height == 0) refuse("keys 'width' and 'height' are missing", "image");
  for (const auto* list : {&i.mean, &i.std})
    if (!list->empty() && list->size() != i.channels)
      refuse("'mean' and 'std' need one number per channel", "image");
  return image;
}

std::unique_ptr<fb::ObjectDetectionT> read_objects(const json& value) {
  auto objects = std::make_unique<fb::ObjectDetectionT>();
  fb::ObjectDetectionT& d = *objects;
  read_object(value, "objects",
              {{"scores_output", into(d.scores_output)},
               {"boxes_output", into(d.boxes_output)},
               {"sigmoid", into(d.sigmoid)},
               {"background", [&d](const json& v) { d.background = v.get<int32_t>(); }},
               {"box_format", one_of(d.box_format, "box_format", {"cxcywh", "xyxy"})},
               {"threshold", into(d.threshold)},
               {"overlap_max", into(d.overlap_max)}});
  if (d.scores_output.empty() || d.boxes_output.empty())
    refuse("keys 'scores_output' and 'boxes_output' are missing", "objects");
  return objects;
}

std::unique_ptr<fb::SegmentationT> read_segmentation(const json& value) {
  auto segmentation = std::make_unique<fb::SegmentationT>();
  read_object(value, "segmentation",
              {{"layout", one_of(segmentation->layout, "layout", {"chw", "hwc"})}});
  return segmentation;
}

}  // namespace

std::unique_ptr<fb::TaskT> read_task(const std::string& text, const std::string& folder) {
  json root;
  try {
    root = json::parse(text);
  } catch (const json::parse_error& error) {
    refuse("not valid JSON at byte " + std::to_string(error.byte), "the whole");
  } catch (const json::out_of_range&) {
    refuse("not valid JSON: a number is larger than any there is", "the whole");
  }
  auto task = std::make_unique<fb::TaskT>();
  read_object(root, "the whole",
              {{"kind", one_of(task->kind, "kind",
                               {"keyword_spotting", "image_classification", "object_detection",
                                "image_segmentation", "voice_activity", "text_classification",
                                "text_embedding", "text_generation", "token_classification",
                                "speech_features", "speech_recognition", "tensors"})},
               {"labels", [&](const json& v) { read_labels(v, folder, task->labels); }},
               {"audio", [&](const json& v) { task->audio = read_audio(v); }},
               {"detection", [&](const json& v) { task->detection = read_detection(v); }},
               {"image", [&](const json& v) { task->image = read_image(v); }},
               {"objects", [&](const json& v) { task->objects = read_objects(v); }},
               {"segmentation", [&](const json& v) { task->segmentation = read_segmentation(v); }},
               {"output_is_probability", into(task->output_is_probability)},
               {"window_hop_samples", into(task->window_hop_samples, "window_hop_samples")}});
  if (task->kind.empty()) refuse("key 'kind' is missing", "the whole");
  return task;
}

}  // namespace heed
