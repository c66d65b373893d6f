// Paths that are no plain files: what can be read is read, however slowly it comes; the rest ends
// in a sentence, soon.

#include "models/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "models/audio/sound_file.h"
#include "models/heed_tasks.h"
#include "models/image/image_file.h"
#include "models/tensors/npy.h"
#include "tests/support/temporary_folder.h"

using heed::read_whole_file;
using heed::test::TemporaryFolder;
using Bytes = std::vector<uint8_t>;

namespace {

Bytes numbers(size_t count) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 251);
  return bytes;
}

/// All of it, in pieces with pauses between them.
void write_slowly(int file, const Bytes& bytes, size_t piece) {
  for (size_t at = 0; at < bytes.size();) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const ssize_t count = write(file, bytes.data() + at, std::min(piece, bytes.size() - at));
    if (count <= 0) break;
    at += static_cast<size_t>(count);
  }
  close(file);
}

std::string error_of(const std::string& path) {
  Bytes bytes;
  std::string error;
  CHECK_FALSE(read_whole_file(path, &bytes, &error));
  return error;
}

std::string pipe_in(const TemporaryFolder& folder) {
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  return folder.file("pipe");
}

}  // namespace

TEST_CASE("a file is read whole, an empty one and one of /proc, which tells no size, too") {
  const TemporaryFolder folder;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{300'000}}) {
    const Bytes wanted = numbers(size);
    std::ofstream(folder.file("file"), std::ios::binary)
        .write(reinterpret_cast<const char*>(wanted.data()), static_cast<std::streamsize>(size));
    Bytes bytes = {1, 2, 3};
    std::string error;
    CHECK(read_whole_file(folder.file("file"), &bytes, &error));
    CHECK(bytes == wanted);
  }
  Bytes bytes;
  std::string error;
  CHECK((read_whole_file("/proc/self/stat", &bytes, &error) && !bytes.empty()));
}

TEST_CASE("a pipe is read to its end: named, with a writer who waits or comes late, or a shell's") {
  const TemporaryFolder folder;
  const std::string path = pipe_in(folder);
  const Bytes wanted = numbers(200'000);  // more than a pipe holds
  for (const int late_ms : {0, 300}) {
    INFO("the writer comes after " << late_ms << " ms");
    std::thread writer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(late_ms));
      write_slowly(open(path.c_str(), O_WRONLY), wanted, 30'000);
    });
    if (late_ms == 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it waits
    Bytes bytes;
    std::string error;
    CHECK(read_whole_file(path, &bytes, &error));
    CHECK(error.empty());
    CHECK(bytes == wanted);
    writer.join();
  }
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::thread writer([&] { write_slowly(ends[1], wanted, 70'000); });
  Bytes bytes;
  std::string error;
  CHECK(read_whole_file("/dev/fd/" + std::to_string(ends[0]), &bytes, &error));
  CHECK(bytes == wanted);
  writer.join();
  // Nothing more comes: an end, not a pipe without a writer.
  CHECK(read_whole_file("/dev/fd/" + std::to_string(ends[0]), &bytes, &error));
  CHECK(bytes.empty());
  close(ends[0]);
}

TEST_CASE("what has no writer or no end, or is a folder, is refused by name") {
  const TemporaryFolder folder;
  const std::string path = pipe_in(folder), here = folder.path().string();
  CHECK(error_of(path) == "'" + path + "' is a pipe that nobody writes to");
  CHECK(error_of(here) == "'" + here + "' is a folder, not a file");
  CHECK(error_of(folder.file("none")) == "cannot open '" + folder.file("none") + "'");
  Bytes bytes;
  std::string error;
  CHECK_FALSE(read_whole_file("/dev/zero", &bytes, &error, size_t{1} << 20));
  CHECK(error == "'/dev/zero' goes on for too long");
}

TEST_CASE("sounds, pictures and .npy files in a folder's place are refused by name") {
  const TemporaryFolder folder;
  const std::string here = folder.path().string(), why = "'" + here + "' is a folder, not a file";
  heed::Sound sound;
  heed::Image image;
  heed::Npy npy;
  std::string error;
  CHECK((!heed::read_sound(here, &sound, &error) && error == why));
  CHECK((!heed::read_image(here, &image, &error) && error == why));
  CHECK((!heed::read_npy(here, &npy, &error) && error == why));
  heed_picture picture;
  heed_diagnostic diagnostic;
  CHECK(heed_picture_read_file(here.c_str(), &picture, &diagnostic) == HEED_IO_ERROR);
  CHECK(std::string(diagnostic.where) == why);
}

TEST_CASE("a sound comes through a pipe as from its file") {
  const std::string file = HEED_SOURCE_DIR "/models/demo/keywords.wav";
  heed::Sound wanted, sound;
  Bytes bytes;
  std::string error;
  REQUIRE(heed::read_sound(file, &wanted, &error));
  REQUIRE(read_whole_file(file, &bytes, &error));
  const TemporaryFolder folder;
  const std::string path = pipe_in(folder);
  std::thread writer([&] { write_slowly(open(path.c_str(), O_WRONLY), bytes, 1 << 20); });
  CHECK(heed::read_sound(path, &sound, &error));
  CHECK(sound.samples == wanted.samples);
  writer.join();
}
