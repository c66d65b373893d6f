#include "engine/nodes/node_list.h"

namespace heed {

const NodeKind* node_kind(fb::OpOptions type) {
  static constexpr const NodeKind* kKinds[] = {
      &kLinearNode,    &kAttentionNode, &kRowsNode,        &kEmbeddingNode, &kUnaryNode,
      &kBinaryNode,    &kSelectNode,    &kMatmulNode,      &kSoftmaxNode,   &kReduceNode,
      &kTransposeNode, &kSliceNode,     &kConcatNode,      &kGatherNode,    &kGatherElementsNode,
      &kPadNode,       &kExpandNode,    &kCastNode,        &kCopyNode,      &kCumsumNode,
      &kConvNode,      &kPoolNode,      &kCacheAppendNode, &kRopeNode,      &kDepthwiseNode};
  for (const NodeKind* kind : kKinds) {
    if (kind->type == type) return kind;
  }
  return nullptr;
}

}  // namespace heed
