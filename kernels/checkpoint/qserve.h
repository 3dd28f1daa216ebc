#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/checkpoint/checkpoint.h"
#include "kernels/qoq/linear.h"

namespace qoq {

/// Where converters put the group metadata of column c of 32. The files of both look the same: names, types, shapes.
enum class GroupOrder {
  Quads,  ///< at (c%8)·4 + c/8: QServe's own converter, what its kernels read, and most releases of DeepCompressor's
  Pairs,  ///< at (c/16)·16 + (c%8)·2 + (c%16)/8: DeepCompressor's converter since it packs through "n packs"
};

/// "quads", "pairs".
std::string_view group_order_name(GroupOrder order);

/// Which order the numbers themselves speak for. A group's weights lie around zero, so the mean of its 4-bit codes lies
/// near its zero point z = −offset/scale; with the wrong order, which pairs most groups with the zero points of other
/// rows, it lies as far off as zero points differ. The distances of both orders are compared over many groups.
struct OrderEvidence {
  int groups = 0;    ///< that the two orders treat differently
  double quads = 0;  ///< mean squared distance of the codes' mean from z, in codes
  double pairs = 0;
  /// The order of less than half the other's distance, over 32 groups at least; otherwise nothing.
  std::optional<GroupOrder> verdict() const;
};

/// A quantised checkpoint of QServe's or DeepCompressor's converter: a folder of model.safetensors (or its shards),
/// else of the quant_model.pt or pytorch_model.bin that the converters write. A linear NAME is NAME.qweight (I8 or U8
/// [N][K/2], QServe's packing), NAME.s1_scales (F16 [N]), and NAME.s2_scales, NAME.s2_zeros (I8 [K/group][N]) or
/// NAME.s1_szeros (F16 [N]).
class QServeCheckpoint {
 public:
  /// `order` is for a checkpoint whose producer is known otherwise. Throws Fault::Input: all that Checkpoint does, no
  /// quantised linear, a linear with parts missing or of shapes that disagree, and group metadata whose order the
  /// numbers do not tell.
  static QServeCheckpoint open(const std::filesystem::path& folder, std::optional<GroupOrder> order = {});

  /// Sorted names.
  std::vector<std::string> linears() const;
  /// The weights that QServe's kernels compute: a group's are (q4·s2 + offset) mod 256, whatever offset the converter
  /// wrote, so `metadata.offset` need not be a multiple of the scale; a channel's zero is the whole number nearest to
  /// s1_szeros/s1, its szero the file's. Throws Fault::Input for scales beyond QServe's byte arithmetic (0 to 17), and
  /// row scales or zeros that are not finite or negative.
  LinearWeights linear(std::string_view name) const;
  /// Nothing for a checkpoint without group metadata.
  std::optional<GroupOrder> order() const { return order_; }
  /// What is not of a linear (norms, biases, embeddings) too.
  const Checkpoint& tensors() const { return tensors_; }

 private:
  struct Shape {
    int n = 0;
    int k = 0;
    int group = 0;  ///< 0: a channel
  };
  explicit QServeCheckpoint(Checkpoint tensors) : tensors_(std::move(tensors)) {}
  void add_linear(const std::string& name);
  OrderEvidence gather_evidence() const;

  Checkpoint tensors_;
  std::optional<GroupOrder> order_;
  std::map<std::string, Shape, std::less<>> linears_;
};

}  // namespace qoq
