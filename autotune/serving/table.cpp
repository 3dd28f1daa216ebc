#include "autotune/serving/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace qoq::serving {

using roofline::Serving;

TokenTime token_time(const Serving& serving, const roofline::Request& request) {
  if (serving.batch < 1) return {};
  const double batch = serving.batch;
  return {serving.step.gemms.us / batch, serving.step.attention.us / batch,
          (serving.step.small.us + serving.step.lm_head.us) / batch, serving.prefill.us / request.output};
}

const Serving* ModelOnGpu::best(bool ours) const {
  const Serving* best = nullptr;
  for (const Serving& serving : schemes) {
    if (serving.scheme.ours != ours || !serving.refusal.empty()) continue;
    if (!best || serving.tokens_per_s > best->tokens_per_s) best = &serving;
  }
  return best;
}

ModelOnGpu serve_all(const roofline::ModelShape& model, const roofline::Gpu& gpu, const std::optional<Price>& price,
                     const roofline::KernelTimes& times, const std::vector<std::string>& schemes,
                     std::optional<int> batch, const roofline::Assumptions& assumptions) {
  ModelOnGpu result{model, gpu.id, gpu.device.name, {}, price};
  const roofline::Offer offer = price ? price->offer() : roofline::Offer{};
  for (const roofline::ServingScheme& scheme : roofline::serving_schemes()) {
    if (!schemes.empty() && std::ranges::find(schemes, scheme.name) == schemes.end()) continue;
    result.schemes.push_back(roofline::serve(model, scheme, gpu, offer, times, batch, assumptions));
  }
  return result;
}

std::optional<Comparison> compare(const ModelOnGpu& on, const roofline::Gpu& gpu, const roofline::KernelTimes& times,
                                  const roofline::Assumptions& assumptions) {
  Comparison result;
  result.ours = on.best(true);
  result.other = on.best(false);
  if (!result.ours || !result.other) return std::nullopt;
  result.our_time = token_time(*result.ours, assumptions.request);
  result.other_time = token_time(*result.other, assumptions.request);
  result.ratio = result.ours->tokens_per_s / result.other->tokens_per_s;
  const roofline::Offer offer = on.price ? on.price->offer() : roofline::Offer{};
  const Serving held =
      roofline::serve(on.model, result.ours->scheme, gpu, offer, times, result.other->batch, assumptions);
  if (held.refusal.empty()) result.at_equal_batch = held.tokens_per_s / result.other->tokens_per_s;
  result.published = published(on.model.name, on.gpu);
  return result;
}

std::string explain(const Comparison& c, const roofline::Assumptions& assumptions) {
  std::string text = fmt::format("{:.2f}× ({:.0f} against {:.0f} tokens/s of {})", c.ratio, c.ours->tokens_per_s,
                                 c.other->tokens_per_s, c.other->scheme.name);
  text += fmt::format(". Batch {} against {}", c.ours->batch, c.other->batch);
  const auto why = [&](const Serving& serving) {
    return serving.memory.sequences() > assumptions.most_sequences
               ? fmt::format("the limit of {}", assumptions.most_sequences)
               : fmt::format("memory for {}", serving.memory.sequences());
  };
  text += fmt::format(" ({}; {})", why(*c.ours), why(*c.other));
  if (c.at_equal_batch)
    text += fmt::format("; with ours held to {} it would be {:.2f}×", c.other->batch, *c.at_equal_batch);
  const double saved = c.other_time.total() - c.our_time.total();
  text += fmt::format(
      ". A token takes {:.1f} µs instead of {:.1f}: GEMMs {:.1f} instead of {:.1f}, attention {:.1f} instead of "
      "{:.1f}, lm_head and small operators {:.1f} instead of {:.1f}, prefill {:.1f} instead of {:.1f}",
      c.our_time.total(), c.other_time.total(), c.our_time.gemms, c.other_time.gemms, c.our_time.attention,
      c.other_time.attention, c.our_time.rest, c.other_time.rest, c.our_time.prefill, c.other_time.prefill);
  if (saved > 0) {
    const auto part = [&](double ours, double other) { return 100 * (other - ours) / saved; };
    text += fmt::format("; of what is saved {:.0f} % is GEMMs, {:.0f} % attention, {:.0f} % prefill",
                        part(c.our_time.gemms, c.other_time.gemms), part(c.our_time.attention, c.other_time.attention),
                        part(c.our_time.prefill, c.other_time.prefill));
  }
  text += ".";
  if (c.published) {
    text +=
        c.published->ratio > 0
            ? fmt::format(" Published: {:.1f}×, measured, over TensorRT-LLM's best mode, with {} sequences at once.",
                          c.published->ratio, c.published->batch)
            : fmt::format(" Published: {} sequences at once.", c.published->batch);
  }
  return text;
}

}  // namespace qoq::serving
