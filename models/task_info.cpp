#include "models/task_info.h"

#include <algorithm>

#include "engine/model.h"

namespace heed {
namespace {

std::string text(const flatbuffers::String* string) {
  return string == nullptr ? "" : string->str();
}

// Beyond any bound where it does not fit: the checks that follow refuse it.
int32_t side(uint32_t value) { return static_cast<int32_t>(std::min<uint32_t>(value, INT32_MAX)); }

// Absent means the defaults.
bool take_channels(const flatbuffers::Vector<float>* from, int32_t channels, float* to) {
  if (from == nullptr || from->size() == 0) return true;
  if (channels > kChannelsMax || from->size() != static_cast<uint32_t>(channels)) return false;
  std::copy(from->begin(), from->end(), to);
  return true;
}

const fb::Task* task_of(const heed_model& model) { return model_table(model).task(); }

}  // namespace

std::string task_kind(const heed_model& model) {
  const fb::Task* task = task_of(model);
  return task == nullptr ? "" : text(task->kind());
}

bool output_is_probability(const heed_model& model) {
  const fb::Task* task = task_of(model);
  return task != nullptr && task->output_is_probability();
}

bool text_task(const heed_model& model) {
  const fb::Task* task = task_of(model);
  return task != nullptr && task->tokenizer() != nullptr;
}

size_t cache_capacity(const heed_model& model) {
  size_t rows = 0;  // states of rank 3 are [batch, capacity, width]
  for (const fb::Tensor* tensor : *model_table(model).tensors()) {
    if (tensor->storage() != fb::Storage::state || tensor->shape() == nullptr ||
        tensor->shape()->size() != 3)
      continue;
    const size_t held = tensor->shape()->Get(1);
    rows = rows == 0 ? held : std::min(rows, held);
  }
  return rows;
}

bool audio_task(const heed_model& model, AudioTask* out) {
  const fb::Task* task = task_of(model);
  const fb::AudioFrontend* audio = task == nullptr ? nullptr : task->audio();
  if (audio == nullptr) return false;
  AudioFrontendConfig& config = out->frontend;
  config.kind = text(audio->kind());
  config.sample_rate_hz = audio->sample_rate_hz();
  config.clip_samples = audio->clip_samples();
  config.window_samples = audio->window_samples();
  config.hop_samples = audio->hop_samples();
  config.fft_size = audio->fft_size();
  config.mel_bins = audio->mel_bins();
  config.mel_low_hz = audio->mel_low_hz();
  config.mel_high_hz = audio->mel_high_hz();
  config.coefficients = audio->coefficients();
  config.mel_scale = text(audio->mel_scale());
  config.power = audio->power();
  config.log_floor = audio->log_floor();
  config.log_offset = audio->log_offset();
  config.preemphasis = audio->preemphasis();
  config.symmetric_window = audio->symmetric_window();
  config.zero_padded = audio->zero_padded();
  config.normalize = text(audio->normalize());
  config.center = audio->center();
  config.features_first = text(audio->layout()) == "features_first";
  out->window_hop_samples = task->window_hop_samples();
  return true;
}

bool speech_task(const heed_model& model, SpeechTask* out) {
  const fb::Task* task = task_of(model);
  const fb::SpeechDecoding* speech = task == nullptr ? nullptr : task->speech();
  if (speech == nullptr) return false;
  const auto copy = [](const auto* from, auto* to) {
    if (from != nullptr) to->assign(from->begin(), from->end());
  };
  if (speech->languages() != nullptr)
    for (const flatbuffers::String* code : *speech->languages())
      out->languages.push_back(text(code));
  out->tokens = {speech->end(),
                 speech->start(),
                 speech->first_language(),
                 static_cast<int32_t>(out->languages.size()),
                 speech->translate(),
                 speech->transcribe(),
                 speech->previous(),
                 speech->no_speech(),
                 speech->no_timestamps(),
                 speech->first_timestamp()};
  out->max_initial_timestamp = speech->max_initial_timestamp();
  copy(speech->suppressed(), &out->suppressed);
  copy(speech->begin_suppressed(), &out->begin_suppressed);
  copy(speech->alignment_heads(), &out->alignment_heads);
  return true;
}

DetectionTask detection_task(const heed_model& model) {
  DetectionTask out;
  const fb::Task* task = task_of(model);
  if (task == nullptr) return out;
  if (text(task->kind()) == "voice_activity") out.threshold = 0.5f;
  out.stream_hop_samples = task->window_hop_samples();
  const fb::Detection* detection = task->detection();
  if (detection == nullptr) return out;
  if (detection->stream_hop_samples() != 0)
    out.stream_hop_samples = detection->stream_hop_samples();
  if (detection->threshold() > 0) out.threshold = detection->threshold();
  out.smoothing_ms = detection->smoothing_ms();
  out.refractory_ms = detection->refractory_ms();
  out.min_speech_ms = detection->min_speech_ms();
  out.min_silence_ms = detection->min_silence_ms();
  if (detection->ignored() != nullptr)
    for (const flatbuffers::String* label : *detection->ignored())
      out.ignored.push_back(text(label));
  return out;
}

bool has_image_task(const heed_model& model) {
  return task_of(model) != nullptr && task_of(model)->image() != nullptr;
}

Status image_task(const heed_model& model, ImagePreprocessConfig* out,
                  heed_diagnostic* diagnostic) {
  if (!has_image_task(model))
    return fail(diagnostic, Status::not_found,
                "the model says nothing about pictures: give it a task with image preprocessing "
                "when converting");
  const fb::ImagePreprocess& image = *task_of(model)->image();
  out->width = side(image.width());
  out->height = side(image.height());
  out->channels = side(image.channels());
  out->resize_shorter = side(image.resize_shorter());
  out->resize_width = side(image.resize_width());
  out->resize_height = side(image.resize_height());
  out->longer_rounds_down = image.longer_rounds_down();
  out->do_resize = image.resize();
  out->resample = static_cast<Resample>(image.resample());
  out->rescale = image.rescale();
  out->channels_first = text(image.layout()) != "hwc";
  out->bgr = image.bgr();
  out->invert = image.invert();
  if (!take_channels(image.mean(), out->channels, out->mean) ||
      !take_channels(image.std(), out->channels, out->std))
    return fail(diagnostic, Status::bad_model, "mean and std do not have one number per channel");
  return Status::ok;
}

Status object_task(const heed_model& model, ObjectTask* out, heed_diagnostic* diagnostic) {
  const fb::ObjectDetection* task = task_of(model) == nullptr ? nullptr : task_of(model)->objects();
  if (task == nullptr || task->scores_output() == nullptr || task->boxes_output() == nullptr)
    return fail(diagnostic, Status::not_found,
                "the model says nothing about boxes: give it a task with objects when converting");
  out->scores_output = task->scores_output()->c_str();
  out->boxes_output = task->boxes_output()->c_str();
  out->sigmoid = task->sigmoid();
  out->background = task->background();
  out->centered = text(task->box_format()) != "xyxy";
  out->threshold = task->threshold();
  out->overlap_max = task->overlap_max();
  return Status::ok;
}

Status segmentation_task(const heed_model& model, SegmentationTask* out,
                         heed_diagnostic* diagnostic) {
  const fb::Segmentation* task =
      task_of(model) == nullptr ? nullptr : task_of(model)->segmentation();
  if (task == nullptr)
    return fail(diagnostic, Status::not_found,
                "the model says nothing about pixels: give it a task with segmentation when "
                "converting");
  out->classes_last = text(task->layout()) == "hwc";
  return Status::ok;
}

}  // namespace heed
