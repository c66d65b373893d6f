#pragma once
// Every kind of op, each defined in the file of its name; node_table.cpp finds them by type.

#include "engine/node.h"

namespace heed {

extern const NodeKind kLinearNode, kAttentionNode, kRowsNode, kEmbeddingNode;
extern const NodeKind kUnaryNode, kBinaryNode, kSelectNode, kMatmulNode, kSoftmaxNode, kReduceNode;
extern const NodeKind kTransposeNode, kSliceNode, kConcatNode, kGatherNode, kGatherElementsNode;
extern const NodeKind kPadNode, kExpandNode, kCastNode, kCopyNode, kCumsumNode;
extern const NodeKind kConvNode, kPoolNode, kCacheAppendNode, kRopeNode, kDepthwiseNode;

}  // namespace heed
