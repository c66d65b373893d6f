#include "platforms/cli/run_text.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "models/task_info.h"
#include "models/tensors/npy.h"
#include "models/text_generator.h"
#include "models/text_reader.h"

namespace heed::cli {
namespace {

using Json = nlohmann::ordered_json;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string text_given(const std::string& given) {
  if (given == "-")
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(given, error);
  return exists(status) && !is_directory(status) ? read_text(given) : given;
}

void print_json(const Json& object) {
  // Bytes of a text that are no UTF-8 become the replacement character.
  std::printf("%s\n", object.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

void save_values(const TextRun& given, size_t index, const TextReader& reader) {
  std::error_code code;
  std::filesystem::create_directories(given.save, code);
  if (code) throw CommandError("cannot make the folder '" + given.save + "': " + code.message());
  const std::string name = reader.task().outputs()[0].name;
  const std::string stem = given.texts.size() == 1 ? "" : std::to_string(index) + ".";
  const std::string path = (std::filesystem::path(given.save) / (stem + name + ".npy")).string();
  std::string error;
  if (!write_npy(path, NpyType::f32, {1, static_cast<int64_t>(reader.width())}, reader.values(),
                 &error))
    throw CommandError(error);
}

void print_classes(const TextRun& given, const TextReader& reader, const std::string& text,
                   double spent) {
  std::vector<float> probabilities(reader.width());
  reader.probabilities(probabilities.data());
  Json answers = Json::array();
  if (!given.json) std::printf("%s\n", text.c_str());
  for (const heed_answer& answer :
       reader.task().best(probabilities.data(), probabilities.size(), given.top)) {
    const std::string label = *answer.label ? answer.label : std::to_string(answer.index);
    if (given.json)
      answers.push_back(
          {{"label", answer.label}, {"index", answer.index}, {"probability", answer.probability}});
    else
      std::printf("  %-24s %6.2f %%\n", label.c_str(),
                  100.0 * static_cast<double>(answer.probability));
  }
  if (given.json) print_json({{"input", text}, {"answers", answers}, {"latency_us", spent * 1e6}});
}

void print_embedding(const TextRun& given, const TextReader& reader, const std::string& text,
                     double spent) {
  if (given.json) {
    print_json(
        {{"input", text},
         {"tokens", reader.tokens()},
         {"embedding", std::vector<float>(reader.values(), reader.values() + reader.width())},
         {"latency_us", spent * 1e6}});
    return;
  }
  std::printf("%s\n  %zu tokens, %zu values, %.2f ms:", text.c_str(), reader.tokens(),
              reader.width(), spent * 1e3);
  for (size_t i = 0; i < std::min<size_t>(8, reader.width()); ++i)
    std::printf(" %.4f", static_cast<double>(reader.values()[i]));
  std::printf("%s\n", reader.width() > 8 ? " .." : "");
}

/// Beside the first text, how alike the others are.
void print_likeness(const std::vector<std::vector<float>>& all) {
  for (size_t i = 1; i < all.size(); ++i) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t k = 0; k < all[0].size(); ++k) {
      const double a = static_cast<double>(all[0][k]), b = static_cast<double>(all[i][k]);
      ab += a * b;
      aa += a * a;
      bb += b * b;
    }
    std::printf("text 1 and text %zu: cosine %.4f\n", i + 1, ab / std::sqrt(aa * bb));
  }
}

void read_texts(const TextRun& given, const Model& model) {
  TextReader reader;
  std::string error;
  if (!reader.create(model.get(), given.run.engine(), given.run.entry_point, &error))
    throw CommandError(error);
  const bool classes = task_kind(*model.get()) == "text_classification";
  std::vector<std::vector<float>> all;
  for (size_t i = 0; i < given.texts.size(); ++i) {
    const std::string text = text_given(given.texts[i]);
    const double begin = seconds();
    if (!reader.read(text, &error)) throw CommandError(error);
    const double spent = seconds() - begin;
    if (!given.save.empty()) save_values(given, i, reader);
    classes ? print_classes(given, reader, text, spent)
            : print_embedding(given, reader, text, spent);
    all.emplace_back(reader.values(), reader.values() + reader.width());
  }
  if (!classes && !given.json) print_likeness(all);
}

void generate(const TextRun& given, const Model& model) {
  TextGenerator generator;
  std::string error;
  if (!generator.create(model.get(), given.run.engine(), given.text.sampling, &error))
    throw CommandError(error);
  for (const std::string& from : given.texts) {
    const std::string prompt = text_given(from);
    const double begin = seconds();
    if (!generator.start(prompt, &error)) throw CommandError(error);
    const double read = seconds();
    if (!given.json) std::printf("%s", prompt.c_str());
    std::string made;
    std::vector<int32_t> tokens;
    int32_t token = 0;
    std::string_view text;
    while (tokens.size() < given.text.tokens && generator.next(&token, &text, &error)) {
      tokens.push_back(token);
      made += text;
      if (given.json) continue;
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    }
    if (!error.empty()) throw CommandError(error);
    const double done = seconds();
    const double read_rate = static_cast<double>(generator.prompt_tokens()) / (read - begin);
    const double made_rate = static_cast<double>(tokens.size()) / (done - read);
    if (given.json) {
      print_json({{"prompt", prompt},
                  {"text", made},
                  {"tokens", tokens},
                  {"prompt_tokens", generator.prompt_tokens()},
                  {"prompt_tokens_per_s", read_rate},
                  {"tokens_per_s", made_rate}});
    } else {
      std::printf("\n[%zu tokens read at %.0f per second, %zu made at %.0f per second]\n",
                  generator.prompt_tokens(), read_rate, tokens.size(), made_rate);
    }
  }
}

}  // namespace

void TextArguments::add_to(CLI::App* command) {
  command->add_option("--tokens", tokens, "Generation: at most so many tokens")
      ->capture_default_str();
  command->add_option("--temperature", sampling.temperature,
                      "Generation: 0 takes the most probable token; more draws at random");
  command->add_option("--top-k", sampling.top_k, "Draw from the most probable K tokens");
  command->add_option("--top-p", sampling.top_p,
                      "Draw from the most probable tokens that together have this probability");
  command->add_option("--seed", sampling.seed, "Of the draws");
}

void run_texts(const TextRun& given, const Model& model) {
  if (task_kind(*model.get()) == "text_generation")
    generate(given, model);
  else
    read_texts(given, model);
}

}  // namespace heed::cli
