// Pictures in: labels out.

#include <memory>
#include <nlohmann/json.hpp>

#include "models/image/image_file.h"
#include "platforms/cli/run_inputs.h"

namespace heed::cli {
namespace {

using Json = nlohmann::ordered_json;

struct DestroyTask {
  void operator()(heed_image_classifier* task) const { heed_image_classifier_destroy(task); }
};
using Classifier = std::unique_ptr<heed_image_classifier, DestroyTask>;

Image copy_of(const heed_picture& picture) {
  const size_t bytes = static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height) *
                       static_cast<size_t>(picture.channels);
  return {picture.width, picture.height, picture.channels,
          std::vector<uint8_t>(picture.pixels, picture.pixels + bytes)};
}

void classify(const RunArguments& arguments, heed_image_classifier* classifier,
              const std::string& file) {
  Image image;
  std::string error;
  if (!read_image(file, &image, &error)) throw CommandError(error);
  std::vector<heed_answer> answers(arguments.top);
  int32_t count = 0;
  const heed_picture picture = picture_of(image);
  Diagnostic diagnostic;
  const double begin = now_us();
  if (heed_image_classifier_run(classifier, &picture, answers.data(),
                                static_cast<int32_t>(answers.size()), &count,
                                &diagnostic) != HEED_OK)
    throw CommandError("'" + file + "': " + diagnostic.text());
  const double spent_us = now_us() - begin;
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

}  // namespace

void run_pictures(const RunArguments& arguments, const Model& model) {
  heed_task_options options{};
  options.engine = arguments.run.engine();
  options.picture_side_max = HEED_PICTURE_SIDE_MAX;
  const Entry entry = find_entry(model, arguments.run.entry_point);
  options.entry_point = entry.info.name;
  Diagnostic diagnostic;
  heed_image_classifier* made = nullptr;
  if (heed_image_classifier_create(model.get(), &options, nullptr, 0, &made, &diagnostic) !=
      HEED_OK)
    throw CommandError(diagnostic.text());
  const Classifier classifier(made);
  heed_session* session = heed_image_classifier_session(made);
  AttentionMap map;
  if (!arguments.attention.empty()) map.tap(model, session, entry.info.name, arguments.choice);
  each_file(arguments, session_outputs(session, entry), [&](const std::string& file) {
    classify(arguments, made, file);
    if (arguments.attention.empty()) return;
    heed_picture seen;
    heed_image_classifier_seen(made, &seen);
    std::string error;
    if (!write_png(attention_path(arguments, file), picture_attention(copy_of(seen), map), &error))
      throw CommandError(error);
  });
}

}  // namespace heed::cli
