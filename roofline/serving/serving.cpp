#include "roofline/serving/serving.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/error.h"

namespace qoq::roofline {

namespace {

constexpr double half = 2;  // bytes of an fp16 number

/// µs of bytes or operations, whichever takes longer, and a launch.
double estimated_us(const Gpu& gpu, double bytes, double ops, double efficiency) {
  const double memory_us = bytes / (efficiency * gpu.dram_gbps(false)) * 1e-3;
  const double tensor_us = ops / (efficiency * gpu.tensor_ops("fp16")) * 1e6;
  return std::max(memory_us, tensor_us) + gpu.launch_us.value;
}

Figured estimated(double us) { return {us, {Basis::Estimated}, false}; }

Figured gemm(const ServingScheme& scheme, const LinearShape& linear, double m, const Gpu& gpu, const KernelTimes& times,
             const Assumptions& a) {
  if (scheme.gemm == "fp16")
    return estimated(
        estimated_gemm_us(gpu, m, static_cast<double>(linear.n), static_cast<double>(linear.k), a.efficiency));
  const TimeCurve* curve = times.gemm(scheme.gemm, linear.n, linear.k);
  if (!curve) fail("no kernel for gemm {} n={} k={}", scheme.gemm, linear.n, linear.k);
  return curve->at(m);
}

/// Norms with quantisation, rotary embedding with append, SiLU: what they read and write a token, once each.
Figured small_operators(const ModelShape& model, const ServingScheme& scheme, double tokens, const Gpu& gpu,
                        const Assumptions& a) {
  const auto hidden = static_cast<double>(model.hidden), inner = static_cast<double>(model.intermediate);
  const double qkv = (model.q_heads + 2.0 * model.kv_heads) * model.head_dim;
  const double norms = 2 * hidden * (3 * half + scheme.activation_bytes);  // x, residual in and out, the result
  const double append = qkv * 2 * half, silu = inner * (2 * half + scheme.activation_bytes);
  const double attention_out = hidden * (half + scheme.activation_bytes);
  const double bytes = tokens * (norms + append + silu + attention_out);
  return estimated(a.small_launches * gpu.launch_us.value + bytes / (a.efficiency * gpu.dram_gbps(false)) * 1e-3);
}

/// One request's prefill: its share of chunks.
Figured prefill(const ModelShape& model, const ServingScheme& scheme, const Gpu& gpu, const KernelTimes& times,
                const Assumptions& a) {
  Figured chunk;
  for (const LinearShape& linear : model.linears()) chunk += gemm(scheme, linear, a.chunk, gpu, times, a);
  chunk += small_operators(model, scheme, a.chunk, gpu, a);
  Figured all = chunk.times(static_cast<double>(a.request.input) / a.chunk);
  // Causal: half of the square.
  const double ops = 4.0 * model.q_heads * model.head_dim * a.request.input * a.request.input / 2;
  all += estimated(estimated_us(gpu, 0, ops, a.efficiency));
  return all.times(model.layers);
}

double tokens_per_s(const DecodeStep& step, const Figured& prefill, int batch, const Request& request) {
  const double us = request.output * step.total().us + batch * prefill.us;
  return batch * request.output / us * 1e6;
}

}  // namespace

double estimated_gemm_us(const Gpu& gpu, double m, double n, double k, double efficiency) {
  return estimated_us(gpu, half * (m * k + n * k + m * n), 2 * m * n * k, efficiency);
}

Figured DecodeStep::total() const {
  Figured sum = gemms;
  for (const Figured* part : {&attention, &small, &lm_head}) sum += *part;
  return sum;
}

double Serving::prefill_share(const Request& request) const {
  const double all = batch * prefill.us;
  return all > 0 ? all / (all + request.output * step.total().us) : 0;
}

std::set<Basis> Serving::bases() const {
  Figured sum = step.total();
  sum += prefill;
  return sum.bases;
}

DecodeStep decode_step(const ModelShape& model, const ServingScheme& scheme, const Gpu& gpu, const KernelTimes& times,
                       int batch, const Assumptions& a) {
  DecodeStep step;
  for (const LinearShape& linear : model.linears()) step.gemms += gemm(scheme, linear, batch, gpu, times, a);
  step.gemms = step.gemms.times(model.layers);
  const double context = a.request.input + a.request.output / 2.0;
  const TimeCurve* curve = times.attention(scheme.kv, model.q_heads, model.kv_heads, model.head_dim, context);
  if (!curve)
    fail("no kernel for attention {} heads={}/{} dh={}", scheme.kv, model.q_heads, model.kv_heads, model.head_dim);
  step.attention = curve->at(batch * context).times(model.layers);
  step.small = small_operators(model, scheme, batch, gpu, a).times(model.layers);
  step.lm_head = estimated(
      estimated_gemm_us(gpu, batch, static_cast<double>(model.vocab), static_cast<double>(model.hidden), a.efficiency));
  return step;
}

Serving serve(const ModelShape& model, const ServingScheme& scheme, const Gpu& gpu, const Offer& offer,
              const KernelTimes& times, std::optional<int> batch, const Assumptions& a) {
  Serving result;
  result.scheme = scheme;
  result.memory =
      memory_budget(model, scheme, offer.memory_bytes, a.usable_memory, a.request, a.chunk, a.most_sequences);
  result.most = std::min(result.memory.sequences(), a.most_sequences);
  const int fits = result.memory.sequences();
  if (fits < 1) {
    result.refusal = fmt::format(
        "it does not fit: {:.1f} GB of weights, {:.1f} of activations and {:.1f} of one sequence's cache in {:.1f} "
        "usable",
        result.memory.weights * 1e-9, result.memory.activations * 1e-9, result.memory.sequence * 1e-9,
        result.memory.usable * 1e-9);
    return result;
  }
  if (batch && (*batch < 1 || *batch > fits)) {
    result.refusal = fmt::format("{} sequences do not fit; at most {} do", *batch, fits);
    return result;
  }
  if (batch && *batch > a.most_sequences) {  // beyond it nobody has counted the logits' memory
    result.refusal = fmt::format("{} sequences are more than the {} that run at once", *batch, a.most_sequences);
    return result;
  }
  std::vector<int> batches;
  if (batch) batches = {*batch};
  for (int b = 1; !batch && b < result.most; b *= 2) batches.push_back(b);
  if (!batch) batches.push_back(result.most);
  try {
    result.prefill = prefill(model, scheme, gpu, times, a);
    for (const int b : batches) {
      const DecodeStep step = decode_step(model, scheme, gpu, times, b, a);
      const double rate = tokens_per_s(step, result.prefill, b, a.request);
      if (rate <= result.tokens_per_s) continue;
      result.tokens_per_s = rate;
      result.batch = b;
      result.step = step;
    }
  } catch (const Error& error) {
    result.refusal = error.what();
    return result;
  }
  if (offer.dollars_per_hour) result.dollars_per_million = *offer.dollars_per_hour / 3600 / result.tokens_per_s * 1e6;
  return result;
}

}  // namespace qoq::roofline
