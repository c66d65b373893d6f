// The first pass: structure. verify_meaning.cpp and verify_plan.cpp hold the others.

#include "engine/verify.h"

#include <string.h>

#include <algorithm>
#include <new>

#include "engine/operands.h"

namespace heed {
namespace {

constexpr size_t kPrefixBytes = sizeof(uint32_t);
constexpr size_t kHeaderBytes = kPrefixBytes + 8;      // prefix, root offset, identifier
constexpr int64_t kTablesBytesMax = INT64_C(1) << 30;  // FlatBuffers cannot walk 2 GiB
constexpr int32_t kViewDepthMax = 8;
constexpr uint32_t kHaloMax = 1u << 20;

// So that sums and products of a few sizes below a limit cannot leave size_t.
size_t bounded(int64_t limit) {
  constexpr uint64_t kMost = SIZE_MAX / 8;
  return limit < 0 ? 0 : static_cast<size_t>(std::min(static_cast<uint64_t>(limit), kMost));
}

/// One tensor being decoded: each check is one line.
struct TensorCheck {
  int32_t index;
  heed_diagnostic* diagnostic;

  Status require(bool holds, Status status, const char* what, int64_t expected = 0,
                 int64_t actual = 0) const {
    return holds ? Status::ok : fail(diagnostic, status, what, -1, index, expected, actual);
  }
  Status model(bool holds, const char* what, int64_t expected = 0, int64_t actual = 0) const {
    return require(holds, Status::bad_model, what, expected, actual);
  }
};

Status decode_shape(const fb::Tensor& tensor, const TensorCheck& check, Shape* shape) {
  const uint32_t rank = size_of(tensor.shape());
  HEED_TRY(check.model(rank <= kMaxRank, "a tensor has too many dimensions", kMaxRank, rank));
  int64_t elements = 1;
  for (uint32_t d = 0; d < rank; ++d) {
    const uint32_t size = tensor.shape()->Get(d);
    HEED_TRY(check.model(size > 0, "a dimension is zero"));
    HEED_TRY(check.require(size <= static_cast<uint64_t>(INT32_MAX / elements),
                           Status::limit_exceeded, "a tensor has more than 2^31 - 1 elements"));
    elements *= size;
    shape->dims[d] = static_cast<int32_t>(size);
  }
  shape->rank = static_cast<int32_t>(rank);
  return Status::ok;
}

Status q8_bytes(const TensorView& view, const TensorCheck& check, size_t limit, size_t* bytes) {
  HEED_TRY(check.model(view.shape.rank >= 1, "quantised rows need a dimension"));
  HEED_TRY(check.model(view.group % 16 == 0, "a group of values per scale is no multiple of 16", 0,
                       view.group));
  HEED_TRY(check.require(view.halo <= kHaloMax, Status::limit_exceeded, "a halo is too wide",
                         kHaloMax, view.halo));
  const size_t step = round_up(static_cast<size_t>(view.shape.last()), 16);
  HEED_TRY(check.model(view.group == 0 || (view.group <= step && step % view.group == 0),
                       "groups do not divide a row", static_cast<int64_t>(step), view.group));
  const uint64_t rows = static_cast<uint64_t>(view.shape.rows()) + 2 * uint64_t{view.halo};
  const uint64_t row_bytes = step + step / 16 * sizeof(float);  // no more than one scale per 16
  HEED_TRY(check.require(rows <= INT32_MAX && rows <= limit / row_bytes, Status::limit_exceeded,
                         "a tensor is larger than the limit", static_cast<int64_t>(limit)));
  *bytes = view.q8().bytes;
  return Status::ok;
}

Status cache_bytes(const TensorView& view, const TensorCheck& check, size_t limit, size_t* bytes) {
  HEED_TRY(check.model(view.shape.rank == 3, "a cache has three dimensions", 3, view.shape.rank));
  HEED_TRY(check.model(view.halo == 0, "a cache has no halo"));
  HEED_TRY(check.model(view.group > 0 && view.group % kCachedPanelRows == 0,
                       "heads of a cache are no multiple of 16 wide", 0, view.group));
  HEED_TRY(check.model(static_cast<uint32_t>(view.shape.last()) % view.group == 0,
                       "heads do not divide a row", view.shape.last(), view.group));
  // Its capacity rounded up, and no more than one scale for 16 values.
  const uint64_t rows = static_cast<uint64_t>(view.shape.dims[0]) *
                        (static_cast<uint64_t>(view.shape.dims[1]) + kCachedPanelRows - 1);
  const uint64_t row_bytes = static_cast<uint64_t>(view.shape.last()) / 4 * 5;
  HEED_TRY(check.require(rows <= limit / row_bytes, Status::limit_exceeded,
                         "a tensor is larger than the limit", static_cast<int64_t>(limit)));
  *bytes = view.cache().bytes;
  return Status::ok;
}

Status decode_tensor(const fb::Tensor& tensor, const TensorCheck& check, size_t limit,
                     TensorView* view, TensorPlace* place) {
  view->name = text_of(tensor.name());
  HEED_TRY(check.model(tensor.dtype() <= DataType::q8_values, "an element type is unknown", 0,
                       static_cast<int64_t>(tensor.dtype())));
  HEED_TRY(check.model(tensor.storage() <= fb::Storage::view, "a storage class is unknown", 0,
                       static_cast<int64_t>(tensor.storage())));
  view->type = tensor.dtype();
  view->group = tensor.group();
  view->halo = tensor.halo();
  HEED_TRY(decode_shape(tensor, check, &view->shape));
  if (view->type == DataType::q8_rows) {
    HEED_TRY(q8_bytes(*view, check, limit, &place->bytes));
  } else if (is_cache(view->type)) {
    HEED_TRY(cache_bytes(*view, check, limit, &place->bytes));
  } else {
    HEED_TRY(check.model(view->group == 0 && view->halo == 0,
                         "only quantised rows have groups and a halo"));
    place->bytes = static_cast<size_t>(view->shape.elements()) * element_bytes(view->type);
  }
  HEED_TRY(check.require(place->bytes <= limit, Status::limit_exceeded,
                         "a tensor is larger than the limit", static_cast<int64_t>(limit),
                         static_cast<int64_t>(place->bytes)));
  place->storage = tensor.storage();
  place->root = check.index;
  const bool is_view = tensor.storage() == fb::Storage::view;
  HEED_TRY(check.model(is_view == (tensor.parent() >= 0),
                       "views have a parent, and nothing else has one", 0, tensor.parent()));
  HEED_TRY(check.model(tensor.offset() <= SIZE_MAX / 8, "an offset is out of range"));
  place->offset = is_view ? 0 : static_cast<size_t>(tensor.offset());
  return Status::ok;
}

Status check_blob(const fb::Blob& blob, size_t bytes, size_t area, const TensorCheck& check) {
  constexpr Status kBad = Status::bad_structure;
  HEED_TRY(check.require(blob.size() == bytes, kBad, "a blob is not as large as its tensor",
                         static_cast<int64_t>(bytes), static_cast<int64_t>(blob.size())));
  HEED_TRY(check.require(blob.offset() % kAlignment == 0, kBad, "a blob is not aligned"));
  return check.require(blob.size() <= area && blob.offset() <= area - blob.size(), kBad,
                       "a blob lies outside the file", static_cast<int64_t>(area),
                       static_cast<int64_t>(blob.offset()));
}

// Constants lie in the file; state starts from bytes of the file, or from zeros.
Status bind_blob(const fb::Tensor& tensor, std::span<const std::byte> blobs,
                 const TensorCheck& check, TensorView* view, TensorPlace* place) {
  const fb::Blob* blob = tensor.blob();
  if (tensor.storage() == fb::Storage::constant) {
    HEED_TRY(check.model(blob != nullptr, "a constant has no bytes"));
    if (blobs.data() == nullptr) return Status::ok;
    HEED_TRY(check_blob(*blob, place->bytes, blobs.size(), check));
    place->offset = static_cast<size_t>(blob->offset());
    view->data = const_cast<std::byte*>(blobs.data() + blob->offset());
    return Status::ok;
  }
  HEED_TRY(check.model(blob == nullptr || tensor.storage() == fb::Storage::state,
                       "a tensor that is neither constant nor state has bytes in the file"));
  if (blob == nullptr || blobs.data() == nullptr) return Status::ok;
  return check_blob(*blob, place->bytes, blobs.size(), check);
}

// Finds what a view finally lies in. Types agree all the way, so that bytes mean the same.
Status resolve_view(const fb::Model& table, const TensorCheck& check, DecodedModel* model) {
  TensorView& view = model->tensors[check.index];
  TensorPlace& place = model->places[check.index];
  int32_t at = check.index;
  size_t offset = 0;
  for (int32_t depth = 0; table.tensors()->Get(at)->storage() == fb::Storage::view; ++depth) {
    HEED_TRY(check.model(depth < kViewDepthMax, "views lie in each other too deep", kViewDepthMax));
    const fb::Tensor& tensor = *table.tensors()->Get(at);
    const int32_t parent = tensor.parent();
    HEED_TRY(check.model(parent >= 0 && parent < model->tensor_count,
                         "the parent of a view does not exist", model->tensor_count, parent));
    const size_t room = model->places[parent].bytes;
    const size_t bytes = model->places[at].bytes;
    HEED_TRY(check.model(bytes <= room && tensor.offset() <= room - bytes,
                         "a view reaches out of its parent", static_cast<int64_t>(room),
                         static_cast<int64_t>(tensor.offset())));
    const TensorView& outer = model->tensors[parent];
    HEED_TRY(check.model(view.type == outer.type, "a view has another type than its parent"));
    if (is_quantised(view.type)) {
      HEED_TRY(check.model(bytes == room && view.shape.last() == outer.shape.last() &&
                               view.group == outer.group && view.halo == outer.halo,
                           "a view of quantised rows must be all of them"));
    }
    offset += static_cast<size_t>(tensor.offset());
    at = parent;
  }
  HEED_TRY(check.model(offset % element_bytes(view.type) == 0, "a view is not aligned"));
  const TensorView& root = model->tensors[at];
  place.root = at;
  place.storage = model->places[at].storage;
  place.offset = model->places[at].offset + offset;
  if (root.data != nullptr) view.data = static_cast<std::byte*>(root.data) + offset;
  return Status::ok;
}

// Two tensors may share a blob, but only all of it.
Status check_blobs_apart(const fb::Model& table, int32_t count, heed_diagnostic* diagnostic) {
  const std::unique_ptr<int32_t[]> order(new (std::nothrow) int32_t[static_cast<size_t>(count)]);
  if (!order) return fail(diagnostic, Status::out_of_memory, "no memory to verify the file");
  int32_t blobs = 0;
  for (int32_t i = 0; i < count; ++i)
    if (table.tensors()->Get(i)->blob() != nullptr) order[blobs++] = i;
  const auto blob = [&](int32_t i) -> const fb::Blob& { return *table.tensors()->Get(i)->blob(); };
  std::sort(order.get(), order.get() + blobs, [&](int32_t a, int32_t b) {
    return blob(a).offset() != blob(b).offset() ? blob(a).offset() < blob(b).offset()
                                                : blob(a).size() < blob(b).size();
  });
  for (int32_t i = 1; i < blobs; ++i) {
    const fb::Blob& before = blob(order[i - 1]);
    const fb::Blob& after = blob(order[i]);
    const bool same = before.offset() == after.offset() && before.size() == after.size();
    if (!same && before.offset() + before.size() > after.offset())
      return fail(diagnostic, Status::bad_structure, "two blobs overlap", -1, order[i]);
  }
  return Status::ok;
}

Status check_header(std::span<const std::byte> file, const Limits& limits, size_t* tables_bytes,
                    heed_diagnostic* diagnostic) {
  if (file.size() < kHeaderBytes || memcmp(file.data() + 8, fb::ModelIdentifier(), 4) != 0)
    return fail(diagnostic, Status::not_a_model, "the file is not a heed model");
  if (reinterpret_cast<uintptr_t>(file.data()) % kAlignment != 0)
    return fail(diagnostic, Status::invalid_argument, "the bytes of a model must be aligned to 64");
  if (file.size() > bounded(limits.file_bytes))
    return fail(diagnostic, Status::limit_exceeded, "the file is larger than the limit", -1, -1,
                limits.file_bytes, static_cast<int64_t>(file.size()));
  uint32_t size = 0;
  memcpy(&size, file.data(), sizeof size);
  if (size > file.size() - kPrefixBytes)
    return fail(diagnostic, Status::bad_structure, "the file is cut short", -1, -1, size,
                static_cast<int64_t>(file.size() - kPrefixBytes));
  if (size > kTablesBytesMax)
    return fail(diagnostic, Status::limit_exceeded, "the file's tables are larger than the limit",
                -1, -1, kTablesBytesMax, size);
  *tables_bytes = size;
  return Status::ok;
}

Status check_counts(const fb::Model& table, const Limits& limits, DecodedModel* model,
                    heed_diagnostic* diagnostic) {
  const uint32_t entries = size_of(table.entry_points());
  if (entries > static_cast<uint32_t>(std::max(limits.entry_points, 0)))
    return fail(diagnostic, Status::limit_exceeded, "the model has more entry points than allowed",
                -1, -1, limits.entry_points, entries);
  uint64_t ops = 0;
  for (uint32_t e = 0; e < entries; ++e) ops += size_of(table.entry_points()->Get(e)->ops());
  if (ops > static_cast<uint32_t>(std::max(limits.ops, 0)))
    return fail(diagnostic, Status::limit_exceeded, "the model has more ops than allowed", -1, -1,
                limits.ops, static_cast<int64_t>(ops));
  model->op_count = static_cast<int32_t>(ops);
  return Status::ok;
}

Status check_blob_area(std::span<const std::byte> file, size_t tables_bytes, DecodedModel* model,
                       heed_diagnostic* diagnostic) {
  const size_t begin = blob_area_begin(tables_bytes);
  const uint64_t expected = model->table->blob_bytes();
  if (begin > file.size() || file.size() - begin != expected)
    return fail(diagnostic, Status::bad_structure,
                "the file is not as long as its tables and blobs", -1, -1,
                static_cast<int64_t>(std::min<uint64_t>(expected, INT64_MAX - begin) + begin),
                static_cast<int64_t>(file.size()));
  for (size_t i = kPrefixBytes + tables_bytes; i < begin; ++i)
    if (file[i] != std::byte{0})
      return fail(diagnostic, Status::bad_structure, "the padding before the blobs is not zero");
  model->blobs = file.subspan(begin);
  return Status::ok;
}

}  // namespace

Status decode_tensors(const fb::Model* table, std::span<const std::byte> blobs,
                      const Limits& limits, DecodedModel* model, heed_diagnostic* diagnostic) {
  const uint32_t count = size_of(table->tensors());
  if (count > static_cast<uint32_t>(std::max(limits.tensors, 0)))
    return fail(diagnostic, Status::limit_exceeded, "the model has more tensors than allowed", -1,
                -1, limits.tensors, count);
  model->table = table;
  model->blobs = blobs;
  model->tensor_count = static_cast<int32_t>(count);
  model->tensors.reset(new (std::nothrow) TensorView[count]);
  model->places.reset(new (std::nothrow) TensorPlace[count]);
  if (!model->tensors || !model->places)
    return fail(diagnostic, Status::out_of_memory, "no memory for the model's tensors");
  const size_t limit = bounded(limits.tensor_bytes);
  const auto decode = [&](const TensorCheck& check) {
    const fb::Tensor& tensor = *table->tensors()->Get(static_cast<uint32_t>(check.index));
    TensorView* view = &model->tensors[check.index];
    TensorPlace* place = &model->places[check.index];
    HEED_TRY(decode_tensor(tensor, check, limit, view, place));
    return bind_blob(tensor, blobs, check, view, place);
  };
  for (int32_t pass = 0; pass < 2; ++pass) {
    for (int32_t i = 0; i < model->tensor_count; ++i) {
      const TensorCheck check{i, diagnostic};
      const Status status = pass == 0 ? decode(check) : resolve_view(*table, check, model);
      if (status == Status::ok) continue;
      set_where(diagnostic, model->tensors[i].name);
      return status;
    }
  }
  return check_blobs_apart(*table, model->tensor_count, diagnostic);
}

Status verify_structure(std::span<const std::byte> file, const Limits& limits, DecodedModel* model,
                        heed_diagnostic* diagnostic) {
  size_t tables_bytes = 0;
  HEED_TRY(check_header(file, limits, &tables_bytes, diagnostic));
  const uint64_t tables_max = 4 * static_cast<uint64_t>(std::max(limits.ops, 0)) +
                              static_cast<uint64_t>(std::max(limits.tensors, 0)) +
                              static_cast<uint64_t>(std::max(limits.entry_points, 0)) + 64;
  flatbuffers::Verifier verifier(
      reinterpret_cast<const uint8_t*>(file.data()), kPrefixBytes + tables_bytes, 16,
      static_cast<flatbuffers::uoffset_t>(std::min<uint64_t>(tables_max, UINT32_MAX)));
  if (!fb::VerifySizePrefixedModelBuffer(verifier))
    return fail(diagnostic, Status::bad_structure, "the file's tables are damaged");
  const fb::Model* table = fb::GetSizePrefixedModel(file.data());
  if (table->version() / 1000 > kFormatVersion / 1000)
    return fail(diagnostic, Status::newer_version, "the file needs a newer heed", -1, -1,
                kFormatVersion, table->version());
  if (table->version() < 1000)
    return fail(diagnostic, Status::bad_structure, "the file has no valid version", -1, -1,
                kFormatVersion, table->version());
  model->table = table;
  HEED_TRY(check_blob_area(file, tables_bytes, model, diagnostic));
  HEED_TRY(check_counts(*table, limits, model, diagnostic));
  return decode_tensors(table, model->blobs, limits, model, diagnostic);
}

Status verify_file(std::span<const std::byte> file, const Limits& limits, DecodedModel* model,
                   heed_diagnostic* diagnostic) {
  HEED_TRY(verify_structure(file, limits, model, diagnostic));
  HEED_TRY(verify_meaning(model, diagnostic));
  return verify_plan(*model, limits, diagnostic);
}

}  // namespace heed
