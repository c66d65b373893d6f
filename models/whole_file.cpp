#include "models/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exception>

namespace heed {
namespace {

constexpr int kWriterWaitMs = 2000;
constexpr size_t kChunk = 64 << 10;

struct OpenFile {
  explicit OpenFile(const char* path) : number(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~OpenFile() {
    if (number >= 0) close(number);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  const int number;
};

void wait_for_bytes_from_now_on(int file) { (void)fcntl(file, F_SETFL, 0); }

/// A pipe reads as ended as long as nobody has opened it for writing; opened so that reads do not
/// wait, it tells that apart from a writer who has said nothing yet.
bool first_writer_comes(int file) {
  pollfd waiting{file, POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&waiting, 1, kWriterWaitMs);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

/// Returns why not, a clause; null: all was read.
const char* read_all(int file, size_t stream_bytes_max, std::vector<uint8_t>* bytes) {
  struct stat about;
  if (fstat(file, &about) != 0) return "cannot be read";
  if (S_ISDIR(about.st_mode)) return "is a folder, not a file";
  const bool regular = S_ISREG(about.st_mode);
  bool waits = S_ISFIFO(about.st_mode);  // for a first writer
  if (!waits) wait_for_bytes_from_now_on(file);
  // One byte more than it has: so its end is seen without room for a chunk.
  bytes->resize(regular ? static_cast<size_t>(about.st_size) + 1 : kChunk);
  size_t used = 0;
  for (;;) {
    if (used == bytes->size()) bytes->resize(2 * used + kChunk);
    if (!regular && used > stream_bytes_max) return "goes on for too long";
    const ssize_t count = read(file, bytes->data() + used, bytes->size() - used);
    if (count > 0) {
      used += static_cast<size_t>(count);
      waits = false;
    } else if (count == 0 && waits) {
      if (!first_writer_comes(file)) return "is a pipe that nobody writes to";
      waits = false;
    } else if (count == 0) {
      bytes->resize(used);
      return nullptr;
    } else if (errno == EAGAIN) {
      wait_for_bytes_from_now_on(file);
      waits = false;
    } else if (errno != EINTR) {
      return "cannot be read";
    }
  }
}

}  // namespace

bool read_whole_file(const std::string& path, std::vector<uint8_t>* bytes, std::string* error,
                     size_t stream_bytes_max) {
  const OpenFile file(path.c_str());
  if (file.number < 0) {
    *error = "cannot open '" + path + "'";
    return false;
  }
  const char* why = nullptr;
  try {
    why = read_all(file.number, stream_bytes_max, bytes);
  } catch (const std::exception&) {  // no memory, or a size beyond all memory
    why = "is too large for this machine's memory";
  }
  if (why != nullptr) *error = "'" + path + "' " + why;
  return why == nullptr;
}

}  // namespace heed
