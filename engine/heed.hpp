#pragma once
// The C API with C++ manners: handles that close themselves, spans that know their length, a
// status that cannot be overlooked. Nothing here does anything that heed.h does not.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "engine/heed.h"
#include "engine/status.h"

namespace heed {

struct Diagnostic : heed_diagnostic {
  Diagnostic() : heed_diagnostic{HEED_OK, "", "", -1, -1, 0, 0} {}
  std::string text() const {
    char line[512];
    heed_diagnostic_text(this, line, sizeof line);
    return line;
  }
};

template <class T>
inline constexpr int kTypeOf = -1;
template <>
inline constexpr int kTypeOf<float> = HEED_F32;
template <>
inline constexpr int kTypeOf<int32_t> = HEED_I32;
template <>
inline constexpr int kTypeOf<int64_t> = HEED_I64;
template <>
inline constexpr int kTypeOf<int8_t> = HEED_I8;
template <>
inline constexpr int kTypeOf<uint8_t> = HEED_U8;
template <>
inline constexpr int kTypeOf<bool> = HEED_BOOL;

class Model {
 public:
  Model() = default;
  ~Model() { heed_model_close(model_); }
  Model(Model&& other) noexcept : model_(std::exchange(other.model_, nullptr)) {}
  Model& operator=(Model&& other) noexcept {
    std::swap(model_, other.model_);
    return *this;
  }

  Status open(const char* path, heed_diagnostic* diagnostic = nullptr,
              const heed_limits* limits = nullptr) {
    heed_model_close(std::exchange(model_, nullptr));
    return static_cast<Status>(heed_model_open_file(path, limits, &model_, diagnostic));
  }
  /// `bytes` are 64-byte aligned and stay as they are while the model or a session of it lives.
  Status open(std::span<const std::byte> bytes, heed_diagnostic* diagnostic = nullptr,
              const heed_limits* limits = nullptr) {
    heed_model_close(std::exchange(model_, nullptr));
    return static_cast<Status>(
        heed_model_open_buffer(bytes.data(), bytes.size(), limits, &model_, diagnostic));
  }

  explicit operator bool() const { return model_ != nullptr; }
  const heed_model* get() const { return model_; }

  heed_info info() const {
    heed_info info{};
    heed_model_info(model_, &info);
    return info;
  }
  const char* label(int32_t index) const { return heed_model_label(model_, index); }

  Status memory_needed(const heed_options& options, size_t* bytes,
                       heed_diagnostic* diagnostic = nullptr) const {
    return static_cast<Status>(heed_memory_needed(model_, &options, bytes, diagnostic));
  }

 private:
  heed_model* model_ = nullptr;
};

class Session {
 public:
  Session() = default;
  ~Session() { heed_session_destroy(session_); }
  Session(Session&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
  Session& operator=(Session&& other) noexcept {
    std::swap(session_, other.session_);
    return *this;
  }

  Status create(const Model& model, const heed_options& options = {},
                heed_diagnostic* diagnostic = nullptr) {
    return create(model, options, {}, diagnostic);
  }
  /// In the caller's memory, see heed_session_create.
  Status create(const Model& model, const heed_options& options, std::span<std::byte> memory,
                heed_diagnostic* diagnostic = nullptr) {
    heed_session_destroy(std::exchange(session_, nullptr));
    return static_cast<Status>(heed_session_create(model.get(), &options, memory.data(),
                                                   memory.size(), &session_, diagnostic));
  }

  explicit operator bool() const { return session_ != nullptr; }
  heed_session* get() const { return session_; }

  /// Elements of an input or output; empty when there is none of that name or its type is not T.
  template <class T>
  std::span<T> input(const char* name = nullptr, const char* entry_point = nullptr) const {
    heed_tensor tensor;
    return elements<T>(heed_session_input(session_, entry_point, name, &tensor), tensor);
  }
  template <class T>
  std::span<const T> output(const char* name = nullptr, const char* entry_point = nullptr) const {
    heed_tensor tensor;
    return elements<T>(heed_session_output(session_, entry_point, name, &tensor), tensor);
  }

  Status run(const char* entry_point = nullptr, heed_diagnostic* diagnostic = nullptr) {
    return static_cast<Status>(heed_session_run(session_, entry_point, diagnostic));
  }
  void reset() { heed_session_reset(session_); }

 private:
  template <class T>
  static std::span<T> elements(heed_status status, const heed_tensor& tensor) {
    static_assert(kTypeOf<T> >= 0, "no tensor has elements of this type");
    if (status != HEED_OK || static_cast<int>(tensor.type) != kTypeOf<T>) return {};
    return {static_cast<T*>(tensor.data), tensor.bytes / sizeof(T)};
  }

  heed_session* session_ = nullptr;
};

}  // namespace heed
