// Pictures in: labels, boxes or masks out, as the model's task says.

#include <memory>
#include <nlohmann/json.hpp>

#include "models/image/annotate.h"
#include "models/image/image_file.h"
#include "models/task_info.h"
#include "platforms/cli/run_inputs.h"

namespace heed::cli {
namespace {

using Json = nlohmann::ordered_json;

struct DestroyTask {
  void operator()(heed_image_classifier* task) const { heed_image_classifier_destroy(task); }
  void operator()(heed_detector* task) const { heed_detector_destroy(task); }
  void operator()(heed_segmenter* task) const { heed_segmenter_destroy(task); }
};

/// One task on one model: what differs between the kinds is the look at one picture.
template <class T>
struct PictureTask {
  std::unique_ptr<T, DestroyTask> task;
  heed_session* session = nullptr;
  void (*seen)(const T*, heed_picture*) = nullptr;
};

template <class T>
PictureTask<T> make(heed_status (*create)(const heed_model*, const heed_task_options*, void*,
                                          size_t, T**, heed_diagnostic*),
                    heed_session* (*session)(T*), void (*seen)(const T*, heed_picture*),
                    const Model& model, const heed_task_options& options) {
  Diagnostic diagnostic;
  T* made = nullptr;
  if (create(model.get(), &options, nullptr, 0, &made, &diagnostic) != HEED_OK)
    throw CommandError(diagnostic.text());
  return {std::unique_ptr<T, DestroyTask>(made), session(made), seen};
}

Image copy_of(const heed_picture& picture) {
  const size_t bytes = static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height) *
                       static_cast<size_t>(picture.channels);
  return {picture.width, picture.height, picture.channels,
          std::vector<uint8_t>(picture.pixels, picture.pixels + bytes)};
}

/// Throws for a status that is not ok; gives the microseconds that `run` took.
template <class Run>
double timed(const std::string& file, Run run) {
  Diagnostic diagnostic;
  const double begin = now_us();
  if (run(&diagnostic) != HEED_OK) throw CommandError("'" + file + "': " + diagnostic.text());
  return now_us() - begin;
}

void write_picture(const std::string& path, const Image& image) {
  std::string error;
  if (!write_png(path, image, &error)) throw CommandError(error);
}

void classify(const RunArguments& arguments, heed_image_classifier* classifier,
              const std::string& file, const Image& image) {
  std::vector<heed_answer> answers(arguments.top);
  int32_t count = 0;
  const heed_picture picture = picture_of(image);
  const double spent_us = timed(file, [&](heed_diagnostic* diagnostic) {
    return heed_image_classifier_run(classifier, &picture, answers.data(),
                                     static_cast<int32_t>(answers.size()), &count, diagnostic);
  });
  answers.resize(static_cast<size_t>(count));
  if (arguments.json) {
    std::printf("%s\n",
                Json{{"input", file}, {"answers", answers_json(answers)}, {"latency_us", spent_us}}
                    .dump()
                    .c_str());
  } else {
    std::printf("%s\n", file.c_str());
    print_answers(answers, "  ");
  }
}

/// Gives the queries that found the boxes.
std::vector<int32_t> detect(const RunArguments& arguments, heed_detector* detector,
                            const std::string& file, const Image& image) {
  constexpr int32_t kBoxesMax = 1000;
  std::vector<heed_box> boxes(kBoxesMax);
  int32_t count = 0;
  const heed_picture picture = picture_of(image);
  const double spent_us = timed(file, [&](heed_diagnostic* diagnostic) {
    return heed_detector_run(detector, &picture, boxes.data(), kBoxesMax, &count, diagnostic);
  });
  boxes.resize(static_cast<size_t>(std::min(count, kBoxesMax)));
  Json list = Json::array();
  if (!arguments.json) std::printf("%s\n", file.c_str());
  for (const heed_box& box : boxes) {
    list.push_back({{"label", box.label},
                    {"index", box.index},
                    {"probability", box.probability},
                    {"box", {box.left, box.top, box.right, box.bottom}}});
    const std::string label = *box.label ? box.label : std::to_string(box.index);
    if (!arguments.json)
      std::printf("  %-24s %6.2f %%  %5.0f %5.0f to %5.0f %5.0f\n", label.c_str(),
                  100.0 * static_cast<double>(box.probability), static_cast<double>(box.left),
                  static_cast<double>(box.top), static_cast<double>(box.right),
                  static_cast<double>(box.bottom));
  }
  if (arguments.json)
    std::printf("%s\n",
                Json{{"input", file}, {"boxes", list}, {"latency_us", spent_us}}.dump().c_str());
  else if (boxes.empty())
    std::printf("  nothing found\n");
  if (!arguments.output.empty())
    write_picture(beside(arguments, arguments.output, file), draw_boxes(image, boxes));
  std::vector<int32_t> found;
  for (const heed_box& box : boxes) found.push_back(box.query);
  return found;
}

void segment(const RunArguments& arguments, const Model& model, heed_segmenter* segmenter,
             const std::string& file, const Image& image) {
  std::vector<uint8_t> mask(static_cast<size_t>(image.width) * static_cast<size_t>(image.height));
  const heed_picture picture = picture_of(image);
  const double spent_us = timed(file, [&](heed_diagnostic* diagnostic) {
    return heed_segmenter_run(segmenter, &picture, mask.data(), mask.size(), diagnostic);
  });
  std::vector<size_t> pixels(256);
  for (const uint8_t index : mask) ++pixels[index];
  std::vector<size_t> order;
  for (size_t c = 0; c < pixels.size(); ++c)
    if (pixels[c] != 0) order.push_back(c);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return pixels[a] > pixels[b]; });
  Json list = Json::array();
  if (!arguments.json) std::printf("%s\n", file.c_str());
  for (const size_t c : order) {
    const char* known = model.label(static_cast<int32_t>(c));
    const std::string label = known != nullptr ? known : std::to_string(c);
    const double share = static_cast<double>(pixels[c]) / static_cast<double>(mask.size());
    const Color color = class_color(static_cast<uint8_t>(c));
    list.push_back({{"label", label},
                    {"index", c},
                    {"share", share},
                    {"color", {color[0], color[1], color[2]}}});
    if (!arguments.json)
      std::printf("  %-24s %6.2f %%  #%02x%02x%02x\n", label.c_str(), 100.0 * share, color[0],
                  color[1], color[2]);
  }
  if (arguments.json)
    std::printf("%s\n",
                Json{{"input", file}, {"classes", list}, {"latency_us", spent_us}}.dump().c_str());
  if (!arguments.output.empty())
    write_picture(beside(arguments, arguments.output, file),
                  draw_mask(mask, image.width, image.height));
}

/// How many queries a detector has; 0 for other tasks.
int32_t asked_of(const Model& model, heed_session* session, const Entry& entry) {
  ObjectTask task;
  heed_tensor boxes{};
  if (object_task(*model.get(), &task, nullptr) != Status::ok ||
      heed_session_output(session, entry.info.name, task.boxes_output, &boxes) != HEED_OK)
    return 0;
  return static_cast<int32_t>(boxes.bytes / (4 * sizeof(float)));
}

/// Every file: read, looked at, its attention drawn where that was asked for. `look` gives the
/// queries of what was found.
template <class T, class Look>
void each_picture(const RunArguments& arguments, const Model& model, const PictureTask<T>& made,
                  const Entry& entry, Look look) {
  AttentionMap map;
  std::string error;
  if (!arguments.attention.empty() &&
      !map.tap(*model.get(), made.session, entry.info.name,
               attention_choice(arguments.attention_of, arguments.attention_query), &error))
    throw CommandError("--attention: " + error);
  const int32_t asked = asked_of(model, made.session, entry);
  each_file(arguments, session_outputs(made.session, entry), [&](const std::string& file) {
    Image image;
    if (!read_image(file, &image, &error)) throw CommandError(error);
    const std::vector<int32_t> found = look(made.task.get(), file, image);
    if (arguments.attention.empty()) return;
    heed_picture seen;
    made.seen(made.task.get(), &seen);
    write_picture(beside(arguments, arguments.attention, file),
                  picture_attention(copy_of(seen), map, found, asked));
  });
}

}  // namespace

void run_pictures(const RunArguments& arguments, const Model& model) {
  heed_task_options options{};
  options.engine = arguments.run.engine();
  options.picture_side_max = HEED_PICTURE_SIDE_MAX;
  options.threshold = arguments.threshold;
  const Entry entry = find_entry(model, arguments.run.entry_point);
  options.entry_point = entry.info.name;
  const std::string kind = task_kind(*model.get());
  if (kind == "object_detection") {
    const auto made =
        make(heed_detector_create, heed_detector_session, heed_detector_seen, model, options);
    each_picture(arguments, model, made, entry,
                 [&](heed_detector* task, const std::string& file, const Image& image) {
                   return detect(arguments, task, file, image);
                 });
  } else if (kind == "image_segmentation") {
    const auto made =
        make(heed_segmenter_create, heed_segmenter_session, heed_segmenter_seen, model, options);
    each_picture(arguments, model, made, entry,
                 [&](heed_segmenter* task, const std::string& file, const Image& image) {
                   segment(arguments, model, task, file, image);
                   return std::vector<int32_t>();
                 });
  } else {
    const auto made = make(heed_image_classifier_create, heed_image_classifier_session,
                           heed_image_classifier_seen, model, options);
    each_picture(arguments, model, made, entry,
                 [&](heed_image_classifier* task, const std::string& file, const Image& image) {
                   classify(arguments, task, file, image);
                   return std::vector<int32_t>();
                 });
  }
}

}  // namespace heed::cli
