// Creation and end of a session: one block of memory, carved, bound and prepared.

#include "engine/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "engine/arena.h"
#include "engine/lifetimes.h"
#include "engine/operands.h"

namespace heed {
namespace {

int32_t entry_count(const heed_model& model) {
  return static_cast<int32_t>(size_of(model_table(model).entry_points()));
}

Status resolve(const heed_options* given, bool with_isa, SessionOptions* options,
               heed_diagnostic* diagnostic) {
  const heed_options defaults{};
  const heed_options& o = given != nullptr ? *given : defaults;
  if (o.threads < 0 || o.threads > HEED_MAX_THREADS)
    return fail(diagnostic, Status::invalid_argument, "the number of threads is out of range", -1,
                -1, HEED_MAX_THREADS, o.threads);
  options->pool = static_cast<pthreadpool*>(o.pool);
  options->spin = o.spin != 0;
  options->threads =
      options->pool != nullptr ? Threads::pool_threads(options->pool) : std::max(o.threads, 1);
  if (!with_isa) return Status::ok;
  const char* name = o.isa != nullptr ? o.isa : "native";
  if (!parse_isa(name, &options->isa)) {
    const Status status =
        fail(diagnostic, Status::invalid_argument, "there is no instruction set of that name");
    set_where(diagnostic, name);
    return status;
  }
  if (!detect_isa().contains(options->isa)) {
    const Status status =
        fail(diagnostic, Status::unsupported, "this machine has not that instruction set");
    set_where(diagnostic, name);
    return status;
  }
  return Status::ok;
}

/// Hands the same things out of a counting arena and of a real one, in the same order.
class Carver {
 public:
  Carver(const heed_model& model, int32_t threads, Arena* arena)
      : model_(model), threads_(threads), arena_(*arena) {}

  /// Null from a counting arena. In a real one, everything but the tensors' data is in place.
  heed_session* carve() {
    heed_session* session = take_session();
    for (int32_t e = 0; e < entry_count(model_); ++e) carve_nodes(session, e);
    std::byte* state = take_bytes(model_table(model_).state_bytes());
    if (session != nullptr) session->state = state;
    for (int32_t e = 0; e < entry_count(model_); ++e) {
      std::byte* memory = take_bytes(arena_bytes_taken(model_table(model_), e));
      if (session == nullptr) continue;
      const int32_t owner = arena_owner(model_table(model_), e);
      session->entries[e].arena = owner == e ? memory : session->entries[owner].arena;
    }
    carve_scratch(session);
    return arena_.ok() ? session : nullptr;
  }

 private:
  /// More than a pointer can reach is as much as a pointer can reach: the arena refuses both.
  std::byte* take_bytes(uint64_t bytes) {
    return arena_.take_array<std::byte>(static_cast<size_t>(std::min<uint64_t>(bytes, SIZE_MAX)));
  }

  heed_session* take_session() {
    void* memory = arena_.take(sizeof(heed_session));
    auto* tensors = arena_.take_array<TensorView>(static_cast<size_t>(model_.decoded.tensor_count));
    auto* entries = arena_.take_array<SessionEntry>(static_cast<size_t>(entry_count(model_)));
    if (memory == nullptr || tensors == nullptr || entries == nullptr) return nullptr;
    heed_session* session = new (memory) heed_session{};
    session->tensors = tensors;
    session->entries = entries;
    return session;
  }

  void carve_nodes(heed_session* session, int32_t e) {
    const int32_t count = static_cast<int32_t>(size_of(entry_point_at(model_, e).ops()));
    auto* nodes = arena_.take_array<SessionNode>(static_cast<size_t>(count));
    if (session != nullptr)
      session->entries[e] = {nodes, count, nullptr, nullptr, nullptr, nullptr};
    for (int32_t i = 0; i < count; ++i) {
      const SessionNode node = carve_node(op_info(model_, e, i));
      if (session != nullptr && nodes != nullptr) nodes[i] = node;
    }
  }

  SessionNode carve_node(const OpInfo& info) {
    SessionNode node{};
    node.kind = node_kind(info.op->options_type());
    if (info.op->options_type() == fb::OpOptions::AttentionOptions)
      node.tap_capacity = static_cast<int32_t>(info.options<fb::AttentionOptions>().heads()) + 1;
    node.taps = arena_.take_array<AttentionTapRequest>(static_cast<size_t>(node.tap_capacity));
    node.state = arena_.take(node.kind->state_bytes);
    if (node.kind->arena_bytes != nullptr)
      node.memory_bytes = round_up(node.kind->arena_bytes(info, threads_), kAlignment);
    node.memory = take_bytes(node.memory_bytes);
    const ScratchNeed need = node.kind->scratch(info, threads_);
    scratch_.shared = std::max(scratch_.shared, need.shared);
    scratch_.per_thread = std::max(scratch_.per_thread, need.per_thread);
    return node;
  }

  void carve_scratch(heed_session* session) {
    const size_t step = round_up(scratch_.per_thread, kAlignment);
    std::byte* shared = take_bytes(scratch_.shared);
    std::byte* first = nullptr;
    for (int32_t i = 0; i < threads_; ++i) {
      std::byte* memory = take_bytes(step);
      if (i == 0) first = memory;
    }
    if (session == nullptr) return;
    session->shared = shared;
    session->per_thread = first;
    session->per_thread_step = step;
  }

  const heed_model& model_;
  const int32_t threads_;
  Arena& arena_;
  ScratchNeed scratch_;
};

// Gives every tensor its memory. Arena tensors that no entry point uses have none.
void bind_tensors(heed_session& session) {
  const DecodedModel& decoded = session.model->decoded;
  for (int32_t i = 0; i < decoded.tensor_count; ++i) {
    TensorView& tensor = *new (&session.tensors[i]) TensorView(decoded.tensors[i]);
    const TensorPlace& place = decoded.places[i];
    if (place.storage == fb::Storage::state) tensor.data = session.state + place.offset;
    const int32_t owner = decoded.places[place.root].entry_point;
    if (place.storage == fb::Storage::arena && owner >= 0)
      tensor.data = session.entries[owner].arena + place.offset;
  }
}

Status prepare_nodes(heed_session& session, heed_diagnostic* diagnostic) {
  for (int32_t e = 0; e < entry_count(*session.model); ++e) {
    for (int32_t i = 0; i < session.entries[e].node_count; ++i) {
      SessionNode& node = session.entries[e].nodes[i];
      Arena memory(node.memory, node.memory_bytes);
      PrepareContext context{memory, session.kernels, session.threads.count(), diagnostic};
      const OpInfo info = op_info(*session.model, e, i, session.tensors);
      const Status status = node.kind->prepare(info, context, node.state);
      if (status != Status::ok) {
        set_where(diagnostic, text_of(info.op->name()));
        return status;
      }
      node.prepared = true;
    }
  }
  return Status::ok;
}

size_t count_bytes(const heed_model& model, int32_t threads, bool* fits) {
  Arena counter;
  Carver(model, threads, &counter).carve();
  *fits = counter.ok();
  return counter.used();
}

bool uses_pool(const heed_session& session) {
  for (int32_t e = 0; e < entry_count(*session.model); ++e)
    for (int32_t i = 0; i < session.entries[e].node_count; ++i)
      if (session.entries[e].nodes[i].kind->uses_pool) return true;
  return false;
}

Status fill_session(heed_session& session, const SessionOptions& options,
                    heed_diagnostic* diagnostic) {
  session.kernels = choose_kernels(options.isa);
  if (options.pool != nullptr) {
    session.threads.borrow(options.pool, options.spin);
  } else if (session.threads.create(options.threads, options.spin, uses_pool(session)) !=
             Status::ok) {
    return fail(diagnostic, Status::out_of_memory, "no memory for the threads");
  }
  if (session.threads.count() > options.threads)
    return fail(diagnostic, Status::wrong_state, "the thread pool has grown", -1, -1,
                options.threads, session.threads.count());
  bind_tensors(session);
  heed_session_reset(&session);
  return prepare_nodes(session, diagnostic);
}

/// A session's memory, free()d at its end; null where there is none. A large one is asked for in
/// huge pages, whose places a processor looks up once where it would 512 times: a step of Whisper
/// tiny's decoder, its keys and values floats, takes 0.76 to 0.81 of the time, its encoder 0.99
/// (Zen 4).
void* allocate(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const bool large = bytes >= 2 * kHugePage;
  void* memory = nullptr;
  if (posix_memalign(&memory, large ? kHugePage : kAlignment, bytes) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
  // Only whole ones, so that nothing is taken that was not asked for; a system may have none.
  if (large) (void)madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return memory;
}

Status create(const heed_model& model, const heed_options* given, void* memory, size_t bytes,
              heed_session** out, heed_diagnostic* diagnostic) {
  SessionOptions options;
  HEED_TRY(resolve(given, true, &options, diagnostic));
  bool fits = false;
  const size_t needed = count_bytes(model, options.threads, &fits);
  if (!fits) return fail(diagnostic, Status::out_of_memory, "a session is larger than any memory");
  if (reinterpret_cast<uintptr_t>(memory) % kAlignment != 0)
    return fail(diagnostic, Status::invalid_argument, "the memory must be aligned to 64 bytes");
  if (memory != nullptr && bytes < needed)
    return fail(diagnostic, Status::memory_too_small, "the memory handed over is too small", -1, -1,
                static_cast<int64_t>(needed), static_cast<int64_t>(bytes));
  void* owned = memory == nullptr ? allocate(needed) : nullptr;
  if (memory == nullptr && owned == nullptr)
    return fail(diagnostic, Status::out_of_memory, "no memory for a session", -1, -1,
                static_cast<int64_t>(needed));
  Arena arena(static_cast<std::byte*>(memory != nullptr ? memory : owned), needed);
  heed_session* session = Carver(model, options.threads, &arena).carve();
  arena.seal();
  retain_model(model);
  session->model = &model;
  session->bytes = needed;
  session->owned_memory = owned;
  const Status status = fill_session(*session, options, diagnostic);
  if (status == Status::ok)
    *out = session;
  else
    heed_session_destroy(session);
  return status;
}

}  // namespace

SessionEntry* session_entry(heed_session& session, const char* name) {
  const int32_t index = find_entry_point(*session.model, name);
  return index < 0 ? nullptr : &session.entries[index];
}

}  // namespace heed

heed_status heed_memory_needed(const heed_model* model, const heed_options* options, size_t* bytes,
                               heed_diagnostic* diagnostic) {
  using namespace heed;
  Status status = fail(diagnostic, Status::ok, "");
  if (model == nullptr || bytes == nullptr)
    return static_cast<heed_status>(
        fail(diagnostic, Status::invalid_argument, "a pointer is null"));
  SessionOptions resolved;
  status = resolve(options, false, &resolved, diagnostic);
  if (status != Status::ok) return static_cast<heed_status>(status);
  bool fits = false;
  *bytes = count_bytes(*model, resolved.threads, &fits);
  if (!fits)
    status = fail(diagnostic, Status::out_of_memory, "a session is larger than any memory");
  return static_cast<heed_status>(status);
}

heed_status heed_session_create(const heed_model* model, const heed_options* options, void* memory,
                                size_t bytes, heed_session** session, heed_diagnostic* diagnostic) {
  using namespace heed;
  Status status = fail(diagnostic, Status::ok, "");
  if (model == nullptr || session == nullptr) {
    status = fail(diagnostic, Status::invalid_argument, "a pointer is null");
  } else {
    *session = nullptr;
    status = create(*model, options, memory, bytes, session, diagnostic);
  }
  return static_cast<heed_status>(status);
}

void heed_session_destroy(heed_session* session) {
  if (session == nullptr) return;
  for (int32_t e = 0; e < heed::entry_count(*session->model); ++e) {
    const heed::SessionEntry& entry = session->entries[e];
    for (int32_t i = entry.node_count - 1; i >= 0; --i) {
      const heed::SessionNode& node = entry.nodes[i];
      if (node.prepared && node.kind->destroy != nullptr) node.kind->destroy(node.state);
    }
  }
  const heed_model* model = session->model;
  void* owned = session->owned_memory;
  session->~heed_session();
  free(owned);
  heed::release_model(model);
}
