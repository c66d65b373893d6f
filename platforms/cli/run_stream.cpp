#include "platforms/cli/run_stream.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "models/audio/resample.h"
#include "models/sound_stream.h"
#include "platforms/cli/commands.h"

namespace heed::cli {
namespace {

using Json = nlohmann::ordered_json;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void print_event(const SoundStream& stream, const SoundEvent& event, double heard_s, bool json) {
  static const char* const kNames[] = {"", "keyword", "speech_begin", "speech_end"};
  const double rate = stream.sample_rate_hz(), begin = static_cast<double>(event.begin) / rate,
               end = static_cast<double>(event.end) / rate;
  const char* name = kNames[static_cast<size_t>(event.kind)];
  const char* label = stream.label(event.label);
  if (json) {
    Json object = {{"event", name}, {"label", label}, {"score", event.score}, {"begin_s", begin}};
    if (event.kind != SoundEventKind::speech_begin) object["end_s"] = end;
    object["heard_s"] = heard_s;
    std::printf("%s\n", object.dump().c_str());
  } else if (event.kind == SoundEventKind::keyword) {
    std::printf("%10.2f s  %-24s %6.2f %%\n", heard_s, *label ? label : "?",
                100.0 * static_cast<double>(event.score));
  } else if (event.kind == SoundEventKind::speech_end) {
    std::printf("%10.2f s  speech from %.2f s to %.2f s\n", heard_s, begin, end);
  } else {
    std::printf("%10.2f s  speech begins\n", heard_s);
  }
  std::fflush(stdout);  // as it happens: whoever reads this is waiting
}

}  // namespace

void run_stream(const Model& model, const heed_options& engine, const StreamOptions& options) {
  SoundStream stream;
  StreamResampler resampler;
  std::string error;
  if (!stream.create(model.get(), engine, &error)) throw CommandError(error);
  const uint32_t rate = options.rate_hz == 0 ? stream.sample_rate_hz() : options.rate_hz;
  if (!resampler.create(rate, stream.sample_rate_hz(), &error))
    throw CommandError("--rate: the stream " + error);
  std::vector<uint8_t> bytes(8192);
  std::vector<float> samples(bytes.size() / 2), resampled(resampler.capacity(samples.size()));
  size_t held = 0;
  double computed_s = 0;
  int64_t heard = 0;
  SoundEvent event;
  Diagnostic diagnostic;
  const auto heard_s = [&] { return static_cast<double>(heard) / stream.sample_rate_hz(); };
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, bytes.data() + held, bytes.size() - held);
    if (got < 0) throw CommandError("standard input cannot be read");
    if (got == 0) break;
    held += static_cast<size_t>(got);
    const double begin = now_s();
    for (size_t i = 0; i < held / 2; ++i)
      samples[i] =
          static_cast<float>(static_cast<int16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8)) / 32768.0f;
    size_t count = resampler.run(samples.data(), held / 2, resampled.data());
    if (held % 2 != 0) bytes[0] = bytes[held - 1];
    held %= 2;
    for (const float* next = resampled.data(); count > 0;) {
      const size_t before = count;
      if (!stream.listen(&next, &count, &event, &diagnostic)) throw CommandError(diagnostic.text());
      heard += static_cast<int64_t>(before - count);
      if (event.kind != SoundEventKind::none) print_event(stream, event, heard_s(), options.json);
    }
    computed_s += now_s() - begin;
  }
  stream.finish(&event);
  if (event.kind != SoundEventKind::none) print_event(stream, event, heard_s(), options.json);
  const double seconds = heard_s();
  if (options.json) {
    std::printf("%s\n", Json{{"event", "end"},
                             {"heard_s", seconds},
                             {"windows", stream.windows()},
                             {"hop_ms", 1e3 * static_cast<double>(stream.hop_samples()) /
                                            stream.sample_rate_hz()},
                             {"computed_s", computed_s}}
                            .dump()
                            .c_str());
  } else if (seconds > 0) {
    std::printf("%10.2f s  the end; computing took %.2f %% of the time\n", seconds,
                100.0 * computed_s / seconds);
  }
}

}  // namespace heed::cli
