#include "kernels/accuracy/study.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "kernels/accuracy/quantized_model.h"
#include "kernels/base/float16.h"
#include "kernels/llama/forward.h"
#include "kernels/llama/synthesis.h"
#include "kernels/llama/tensor_names.h"

namespace qoq::accuracy {

namespace {

constexpr Numerics weights_only{true, false, 16, true}, activations_only{false, true, 16, true},
    cache_only{false, false, 4, true};

void add_recipes(std::vector<Way>& out, const char* scheme_name, bool ablation) {
  const quantize::Scheme& scheme = quantize::scheme_named(scheme_name);
  const transform::WeightFormat format{scheme.group, GroupRule::Nearest};
  for (const transform::NamedRecipe& named : transform::ablation_recipes(format)) {
    const bool end = named.name == "rtn" || named.name == "qoq";
    if (end || ablation) out.push_back({named.name, scheme, named.recipe, w4a8kv4});
    if (!end) continue;
    out.push_back({named.name + ", weights only", scheme, named.recipe, weights_only});
    if (scheme.group == 0) continue;  // the others do not depend on it
    out.push_back({named.name + ", activations only", scheme, named.recipe, activations_only});
    out.push_back({named.name + ", cache only", scheme, named.recipe, cache_only});
  }
}

void round_to_bfloat16(llama::Model& model) {
  const auto round = [](std::vector<float>& values) {
    for (float& x : values) x = bfloat16_to_float(float_to_bfloat16(x));
  };
  const auto matrix = [&](const std::string&, llama::Matrix& m, int, int) { round(m.values); };
  const auto vector = [&](const std::string&, std::vector<float>& v, int) { round(v); };
  for (llama::Layer& layer : model.layers) each_layer_tensor(model.config, layer, 0, matrix, vector);
  each_end_tensor(model.config, model.ends, matrix, vector);
}

/// One subject's models, calibration and reference; transforms are run once for all ways that share them.
class Bench {
 public:
  Bench(const Subject& subject, const StudySettings& settings)
      : subject_(subject),
        settings_(settings),
        tokens_(llama::draw_tokens(subject.model.config.vocab, settings.positions, subject.seed + 1'000'003)),
        positions_(llama::repeat_positions(settings.sequence, settings.positions)),
        reference_(llama::forward(subject.model, tokens_, positions_, nullptr, settings.threads)) {
    llama::forward(subject.model,
                   llama::draw_tokens(subject.model.config.vocab, settings.calibration, subject.seed + 1),
                   llama::repeat_positions(settings.sequence, settings.calibration), &calibration_, settings.threads);
  }

  StudyRow run(const Way& way) {
    const PreparedModel& prepared = prepare(way);
    const QuantizedModel model = quantize_model(prepared, way.numerics, settings_.threads);
    return {subject_.name,
            subject_.outliers,
            subject_.seed,
            way.name,
            std::string(way.scheme.name),
            transform::write_recipe(way.recipe),
            agreement(reference_, forward(model, tokens_, positions_, settings_.threads)),
            prepared.proof};
  }

 private:
  const PreparedModel& prepare(const Way& way) {
    const auto key = std::pair(std::string(way.scheme.name), transform::write_recipe(way.recipe));
    if (!prepared_ || prepared_->first != key) {  // ways that share it stand together
      const transform::WeightFormat format{way.scheme.group, GroupRule::Nearest};
      prepared_.emplace(key, prepare_model(subject_.model, way.recipe, format, calibration_, settings_.threads));
    }
    return prepared_->second;
  }

  const Subject& subject_;
  const StudySettings& settings_;
  std::vector<int> tokens_, positions_;
  llama::Matrix reference_;
  std::vector<llama::LayerActivations> calibration_;
  std::optional<std::pair<std::pair<std::string, std::string>, PreparedModel>> prepared_;
};

}  // namespace

std::vector<Way> ways(bool ablation) {
  std::vector<Way> out{{"fp16", quantize::scheme_named("w4a8-g128"), transform::rtn_recipe(), fp16}};
  add_recipes(out, "w4a8-g128", ablation);
  add_recipes(out, "w4a8-channel", false);
  return out;
}

Subject synthetic_subject(llama::Family family, double outliers, uint64_t seed) {
  Subject subject{family_name(family), outliers, seed,
                  llama::synthesize(llama::synthetic_config(family), seed, outliers)};
  round_to_bfloat16(subject.model);
  return subject;
}

std::vector<StudyRow> run_study(std::span<const Subject> subjects, std::span<const Way> ways,
                                const StudySettings& settings, const std::function<void(const std::string&)>& say,
                                const std::stop_token& stop) {
  std::vector<StudyRow> rows;
  for (const Subject& subject : subjects) {
    Bench bench(subject, settings);
    for (const Way& way : ways) {
      if (stop.stop_requested()) return rows;
      say(fmt::format("{}, outliers {}, seed {}: {} {}", subject.name, subject.outliers, subject.seed, way.scheme.name,
                      way.name));
      rows.push_back(bench.run(way));
    }
  }
  return rows;
}

}  // namespace qoq::accuracy
