#pragma once
#include "kernels/gemm/case.h"
#include "kernels/gemm/mma/point.h"

namespace qoq::gemm {

/// The case's operands as the variant reads them, by name: a, w, s2 (what belongs to groups), zeros, s1, szero, sx, t,
/// qsum, bias, and the output "out", poisoned. Throws Fault::Input, naming the weight, when the variant cannot compute
/// these weights.
std::vector<Buffer> prepare_operands(const GemmCase& c, const MmaConfig& config);

/// The same with int8 weights [N][K] as they are multiplied (`c.w`): gemm/plain's operands.
std::vector<Buffer> prepare_plain_operands(const GemmCase& c);
/// The launch's argument struct, from where the operands and the workspaces "partials" and "arrivals" lie.
Arguments bind_operands(const MmaVariant& variant, const GemmProblem& problem, const Addresses& at);

/// QServe's packed weights for a wanted dequantisation. A file whose groups leave int8 cannot go to the IMAD forms: it
/// is packed for vadd4 in QServe's layout instead, and `note` says so.
struct PackedGroupWeights {
  Dequant dequant;
  Layout layout;
  std::vector<uint8_t> weights;
  std::vector<uint8_t> metadata;  ///< scales (qserve), or scales and biased zeros (fragment)
  std::vector<uint8_t> zeros;     ///< qserve only
  std::string note;
};
PackedGroupWeights pack_group_weights(std::span<const uint8_t> q4, const GroupMetadata& metadata, int n, int k,
                                      Dequant wanted, Layout layout);

}  // namespace qoq::gemm
