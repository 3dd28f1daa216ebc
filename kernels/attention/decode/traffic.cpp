#include "kernels/attention/decode/traffic.h"

namespace qoq::attention {

namespace {

/// Codes, scales and zeros of all tokens, and the queries.
double cache_bytes(const AttentionProblem& p) {
  const KvShape shape = p.shape(16);
  const double token = 2.0 * p.kv_heads * static_cast<double>(shape.row_bytes() + shape.parameter_bytes());
  return token * static_cast<double>(p.seen_tokens());
}

double query_bytes(const AttentionProblem& p) { return 2.0 * p.batch * p.q_len * p.q_heads * p.head_dim; }

}  // namespace

Work decode_work(const AttentionProblem& p) {
  Work work;
  work.ops = 4.0 * p.rows() * p.kv_heads * p.head_dim * static_cast<double>(p.seen_tokens());
  work.arithmetic = "fp16";
  work.read_bytes = cache_bytes(p) + query_bytes(p);
  work.write_bytes = query_bytes(p);
  return work;
}

size_t partial_rows(const DecodeVariant& v, const AttentionProblem& p, const Splits& splits) {
  return static_cast<size_t>(v.groups(p)) * static_cast<size_t>(splits.count) * static_cast<size_t>(v.config.rows());
}

Traffic decode_traffic(const DecodeVariant& v, const AttentionProblem& p, const Device& device) {
  const DecodeConfig& c = v.config;
  double units = 0;
  for (const int length : p.lengths) units += v.tiles(p.seen(length)) * c.units();
  const double wide = c.orientation == Orientation::Tokens ? 1 : 2;
  Traffic traffic;
  traffic.pipeline_stages = c.stages;
  traffic.mma_instructions =
      units * p.kv_heads * v.row_blocks(p) * c.row_tiles * (2 * wide * c.steps() + (c.quantized() ? 1 : 0));
  traffic.l2_read_bytes = cache_bytes(p) * v.row_blocks(p) + query_bytes(p);
  // Row blocks of a sequence run side by side and find each other's pages in L2, if one sequence fits.
  const double sequence = cache_bytes(p) / p.batch;
  traffic.dram_read_bytes =
      sequence < static_cast<double>(device.l2_bytes) / 2 ? cache_bytes(p) + query_bytes(p) : traffic.l2_read_bytes;
  traffic.dram_write_bytes = query_bytes(p);
  if (const Splits splits = splits_of(v, p, device); splits.count > 1) {
    // Written here; read here too, unless a second kernel does: then its launch is charged for reading them.
    const double times = c.merge == Merge::Second ? 1 : 2;
    if (c.merge == Merge::Kernel) {
      traffic.merge_steps = 2 + (splits.count - 1);  // write, arrive; then one split's rows after the other
      traffic.merge_bytes = 4.0 * splits.count * c.rows() * (c.head_dim + 2);
    }
    traffic.l2_read_bytes += times * 4 * static_cast<double>(partial_rows(v, p, splits)) * (c.head_dim + 2);
  }
  return traffic;
}

}  // namespace qoq::attention
