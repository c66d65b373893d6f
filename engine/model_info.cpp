// The enumerating half of the C API: what a model consists of.

#include "engine/model_info.h"

#include "engine/operands.h"

namespace heed {
namespace {

using IndexList = flatbuffers::Vector<int32_t>;

heed_status tensor_in(const heed_model* model, const char* entry_point, int32_t index,
                      const IndexList* (fb::EntryPoint::*list)() const, heed_tensor* tensor) {
  if (model == nullptr || tensor == nullptr) return HEED_INVALID_ARGUMENT;
  const int32_t entry = find_entry_point(*model, entry_point);
  if (entry < 0) return HEED_NOT_FOUND;
  const IndexList* tensors = (entry_point_at(*model, entry).*list)();
  if (index < 0 || static_cast<uint32_t>(index) >= size_of(tensors)) return HEED_INVALID_ARGUMENT;
  const int32_t found = tensors->Get(static_cast<uint32_t>(index));
  describe_tensor(*model, found, model->decoded.tensors[found].data, tensor);
  return HEED_OK;
}

// The op `index` of an entry point, by name; null with the reason in `status`.
const fb::Op* find_op(const heed_model* model, const char* entry_point, int32_t index,
                      int32_t* entry, heed_status* status) {
  *status = HEED_INVALID_ARGUMENT;
  if (model == nullptr) return nullptr;
  *entry = find_entry_point(*model, entry_point);
  if (*entry < 0) {
    *status = HEED_NOT_FOUND;
    return nullptr;
  }
  const auto* ops = entry_point_at(*model, *entry).ops();
  if (index < 0 || static_cast<uint32_t>(index) >= size_of(ops)) return nullptr;
  *status = HEED_OK;
  return ops->Get(static_cast<uint32_t>(index));
}

heed_status operand(const heed_model* model, const char* entry_point, int32_t op, int32_t index,
                    const IndexList* (fb::Op::*list)() const, int32_t* tensor) {
  heed_status status;
  int32_t entry;
  const fb::Op* found = find_op(model, entry_point, op, &entry, &status);
  if (found == nullptr) return status;
  const IndexList* tensors = (found->*list)();
  if (tensor == nullptr || index < 0 || static_cast<uint32_t>(index) >= size_of(tensors))
    return HEED_INVALID_ARGUMENT;
  *tensor = tensors->Get(static_cast<uint32_t>(index));
  return HEED_OK;
}

bool is_attention(const fb::Op& op) { return op.options_type() == fb::OpOptions::AttentionOptions; }

void fill_measured(const fb::Accuracy* accuracy, heed_info* info) {
  info->measured = accuracy != nullptr;
  info->worst_layer = "";
  info->answers_kept = -1;
  if (accuracy == nullptr) return;
  info->output_snr_db = accuracy->output_snr_db();
  info->answers_kept = accuracy->answers_kept();
  info->samples = accuracy->samples();
  info->worst_layer = text_of(accuracy->worst_layer());
  info->worst_layer_snr_db = accuracy->worst_layer_snr_db();
}

}  // namespace

void describe_tensor(const heed_model& model, int32_t index, void* data, heed_tensor* tensor) {
  const fb::Tensor& source = *model_table(model).tensors()->Get(static_cast<uint32_t>(index));
  const TensorView& view = model.decoded.tensors[index];
  const TensorPlace& place = model.decoded.places[index];
  *tensor = {};
  tensor->name = view.name;
  tensor->index = index;
  tensor->type = static_cast<heed_type>(view.type);
  tensor->storage = static_cast<heed_storage>(source.storage());
  tensor->rank = view.shape.rank;
  for (int32_t d = 0; d < HEED_MAX_RANK; ++d)
    tensor->dims[d] = d < view.shape.rank ? view.shape.dims[d] : 1;
  tensor->bytes = place.bytes;
  tensor->data = data;
  tensor->offset = source.storage() == fb::Storage::view ? source.offset() : place.offset;
  tensor->parent = source.parent();
  tensor->group = static_cast<int32_t>(view.group);
  tensor->halo = static_cast<int32_t>(view.halo);
}

}  // namespace heed

using namespace heed;

void heed_model_info(const heed_model* model, heed_info* info) {
  if (info == nullptr) return;
  *info = {};
  info->task = info->producer = info->source_name = info->source_sha256 = info->recipe =
      info->samples_sha256 = "";
  fill_measured(nullptr, info);
  if (model == nullptr) return;
  const fb::Model& table = model_table(*model);
  info->version = table.version();
  info->file_bytes = model->bytes.size();
  info->blob_bytes = table.blob_bytes();
  info->state_bytes = table.state_bytes();
  info->entry_points = static_cast<int32_t>(size_of(table.entry_points()));
  info->tensors = model->decoded.tensor_count;
  if (const fb::Task* task = table.task()) {
    info->task = text_of(task->kind());
    info->labels = static_cast<int32_t>(size_of(task->labels()));
  }
  if (const fb::Provenance* source = table.provenance()) {
    info->producer = text_of(source->producer());
    info->source_name = text_of(source->source_name());
    info->source_sha256 = text_of(source->source_sha256());
    info->recipe = text_of(source->recipe());
    info->samples_sha256 = text_of(source->samples_sha256());
    info->source_bytes = source->source_bytes();
    fill_measured(source->accuracy(), info);
  }
}

const char* heed_model_label(const heed_model* model, int32_t index) {
  if (model == nullptr || index < 0) return nullptr;
  const fb::Task* task = model_table(*model).task();
  if (task == nullptr || static_cast<uint32_t>(index) >= size_of(task->labels())) return nullptr;
  return text_of(task->labels()->Get(static_cast<uint32_t>(index)));
}

heed_status heed_model_tensor(const heed_model* model, int32_t index, heed_tensor* tensor) {
  if (model == nullptr || tensor == nullptr || index < 0 || index >= model->decoded.tensor_count)
    return HEED_INVALID_ARGUMENT;
  describe_tensor(*model, index, model->decoded.tensors[index].data, tensor);
  return HEED_OK;
}

heed_status heed_model_entry_point(const heed_model* model, int32_t index,
                                   heed_entry_point* entry_point) {
  if (model == nullptr || entry_point == nullptr || index < 0 ||
      static_cast<uint32_t>(index) >= size_of(model_table(*model).entry_points()))
    return HEED_INVALID_ARGUMENT;
  const fb::EntryPoint& entry = entry_point_at(*model, index);
  *entry_point = {};
  entry_point->name = text_of(entry.name());
  entry_point->inputs = static_cast<int32_t>(size_of(entry.inputs()));
  entry_point->outputs = static_cast<int32_t>(size_of(entry.outputs()));
  entry_point->ops = static_cast<int32_t>(size_of(entry.ops()));
  entry_point->arena_bytes = entry.arena_bytes();
  entry_point->shared_arena = entry.shared_arena();
  for (uint32_t i = 0; i < size_of(entry.ops()); ++i)
    entry_point->attentions += is_attention(*entry.ops()->Get(i));
  return HEED_OK;
}

heed_status heed_model_input(const heed_model* model, const char* entry_point, int32_t index,
                             heed_tensor* tensor) {
  return tensor_in(model, entry_point, index, &fb::EntryPoint::inputs, tensor);
}

heed_status heed_model_output(const heed_model* model, const char* entry_point, int32_t index,
                              heed_tensor* tensor) {
  return tensor_in(model, entry_point, index, &fb::EntryPoint::outputs, tensor);
}

heed_status heed_model_op(const heed_model* model, const char* entry_point, int32_t index,
                          heed_op* op) {
  heed_status status;
  int32_t entry;
  const fb::Op* found = find_op(model, entry_point, index, &entry, &status);
  if (found == nullptr) return status;
  if (op == nullptr) return HEED_INVALID_ARGUMENT;
  const NodeKind* kind = node_kind(found->options_type());
  *op = {text_of(found->name()), kind->name, static_cast<int32_t>(size_of(found->inputs())),
         static_cast<int32_t>(size_of(found->outputs())), 0};
  if (kind->multiply_adds != nullptr)
    op->multiply_adds = kind->multiply_adds(op_info(*model, entry, index));
  return HEED_OK;
}

heed_status heed_model_op_input(const heed_model* model, const char* entry_point, int32_t op,
                                int32_t index, int32_t* tensor) {
  return operand(model, entry_point, op, index, &fb::Op::inputs, tensor);
}

heed_status heed_model_op_output(const heed_model* model, const char* entry_point, int32_t op,
                                 int32_t index, int32_t* tensor) {
  return operand(model, entry_point, op, index, &fb::Op::outputs, tensor);
}

heed_status heed_model_attention(const heed_model* model, const char* entry_point, int32_t index,
                                 heed_attention* attention) {
  if (model == nullptr || attention == nullptr || index < 0) return HEED_INVALID_ARGUMENT;
  const int32_t entry = find_entry_point(*model, entry_point);
  if (entry < 0) return HEED_NOT_FOUND;
  const auto* ops = entry_point_at(*model, entry).ops();
  for (uint32_t i = 0; i < size_of(ops); ++i) {
    const fb::Op& op = *ops->Get(i);
    if (!is_attention(op) || index-- > 0) continue;
    const fb::AttentionOptions& options = *op.options_as_AttentionOptions();
    *attention = {static_cast<int32_t>(i),
                  text_of(op.name()),
                  static_cast<int32_t>(options.batch()),
                  static_cast<int32_t>(options.heads()),
                  static_cast<int32_t>(options.queries()),
                  static_cast<int32_t>(options.keys()),
                  options.first_query()};
    return HEED_OK;
  }
  return HEED_INVALID_ARGUMENT;
}
