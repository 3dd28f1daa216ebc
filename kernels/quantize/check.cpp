#include "kernels/quantize/check.h"

#include <algorithm>

#include "kernels/base/digest.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/quantize/linears.h"
#include "kernels/quantize/out_folder.h"
#include "kernels/quantize/piece.h"

namespace qoq::quantize {

namespace fs = std::filesystem;

namespace {

Settings settings_of(const Manifest& manifest) {
  Settings settings{scheme_named(manifest.scheme), rule_named(manifest.rule), parse_layout(manifest.layout), {}};
  settings.recipe = transform::read_recipe(manifest.recipe, settings.format());
  return settings;
}

double share_at_ends(const LinearWeights& weights) {
  const std::vector<uint8_t>& codes = std::visit(
      [](const auto& f) -> const auto& { return f.q4; }, weights.form);
  const auto ends = std::ranges::count_if(codes, [](uint8_t code) { return code == 0 || code == 15; });
  return static_cast<double>(ends) / static_cast<double>(codes.size());
}

class Check {
 public:
  Check(const CheckRequest& request, Listener& listener)
      : request_(request),
        listener_(listener),
        manifest_(read_manifest(request.result / manifest_file_name)),
        settings_(settings_of(manifest_)) {
    if (request.against) open_source();
  }

  CheckReport operator()(const std::stop_token& stop);

 private:
  void open_source();
  void check_file(const FileEntry& entry) const;
  void check_identity(const Piece& piece, const std::string& source, const std::string& calibration) const;
  std::string_view inputs_source() const;
  LayerReport check_layer(int index) const;
  LinearReport check_linear(const PackedFile& file, std::string_view name, const PreparedLayer* reference) const;

  const CheckRequest& request_;
  Listener& listener_;
  Manifest manifest_;
  Settings settings_;
  std::optional<ModelSource> source_;
  std::optional<CalibrationSource> calibration_, held_out_;
};

void Check::open_source() {
  source_.emplace(*request_.against, settings_.scheme);
  if (static_cast<size_t>(source_->config().layers) != manifest_.layers.size()) {
    bad_input("{}: has {} layers, {} was made from {}", request_.against->string(), source_->config().layers,
              request_.result.string(), manifest_.layers.size());
  }
  if (!manifest_.calibration.empty() && !request_.calibration) {
    bad_input("{}: its transforms were chosen with a calibration; give the same one: --calibration FILE",
              request_.result.string());
  }
  // Round-to-nearest chooses nothing: there any recorded inputs serve.
  if (manifest_.calibration.empty() && request_.calibration && !(settings_.recipe == transform::rtn_recipe())) {
    bad_input("{}: its transforms were chosen without a calibration; leave --calibration out",
              request_.result.string());
  }
  calibration_.emplace(request_.calibration, source_->config());
  held_out_.emplace(request_.held_out, source_->config());
  if (const std::string lack = held_out_->lacking(source_->config().layers, true); !lack.empty())
    bad_input("{}: {}; held-out tokens need every linear's inputs", request_.held_out->string(), lack);
}

void Check::check_file(const FileEntry& entry) const {
  const fs::path path = request_.result / entry.name;
  if (!fs::exists(path)) bad_input("{}: is missing", path.string());
  if (const uint64_t bytes = fs::file_size(path); bytes != entry.bytes)
    bad_input("{}: has {} bytes, the manifest says {}", path.string(), bytes, entry.bytes);
  const bool packed = path.extension() == ".safetensors";
  if ((packed ? PackedFile::open(path).digest() : digest(read_file(path))) != entry.digest)
    bad_input("{}: its content is not what the manifest says", path.string());
}

void Check::check_identity(const Piece& piece, const std::string& source, const std::string& calibration) const {
  const fs::path path = request_.result / piece.file.name;
  if (piece.identity.settings != settings_text(settings_))
    bad_input("{}: was made with \"{}\", not \"{}\"", path.string(), piece.identity.settings, settings_text(settings_));
  if (piece.identity.source != source)
    bad_input("{}: was not made from {}: the weights there are others", path.string(), request_.against->string());
  if (!manifest_.calibration.empty() && piece.identity.calibration != calibration)
    bad_input("{}: was not made with {}: what is recorded there is other", path.string(),
              request_.calibration->string());
}

LinearReport Check::check_linear(const PackedFile& file, std::string_view name, const PreparedLayer* reference) const {
  const LinearWeights weights = file.linear(name);
  LinearReport report{std::string(name), weights.n, weights.k, share_at_ends(weights), {}, {}};
  if (reference == nullptr) return report;
  const llama::Matrix w = fused(reference->layer, name);
  if (weights.n != w.rows || weights.k != w.cols) {
    bad_input("{}: {} is [{}, {}], the model's is [{}, {}]", file.file(), name, weights.n, weights.k, w.rows, w.cols);
  }
  const llama::Matrix x = check_inputs(*reference, name, w.cols);
  report.weights = weight_errors(w.values, weights, request_.threads);
  report.outputs = output_errors(x, w.values, x, weights, request_.threads);
  return report;
}

std::string_view Check::inputs_source() const {
  if (held_out_->given()) return "held-out tokens";
  if (!calibration_->given()) return "";
  const transform::Recipe& recipe = settings_.recipe;
  return recipe == transform::rtn_recipe()
             ? "recorded tokens"
             : "the calibration's tokens, by which the transforms were chosen (--held-out FILE for others)";
}

LayerReport Check::check_layer(int index) const {
  const std::string piece = fmt::format("layer {}", index);
  const fs::path path = request_.result / layer_file_name(index);
  listener_.enter(piece, "reading");
  const PackedFile file = PackedFile::open(path);
  std::optional<PreparedLayer> reference;
  if (source_) {
    check_identity(read_piece(path), source_->piece_digest(index), calibration_->layer_digest(index));
    listener_.enter(piece, "transforming the model's");
    reference = prepare_layer(*source_, {calibration_->layer(index), held_out_->layer(index)}, settings_, index,
                              request_.threads);
    listener_.enter(piece, "comparing");
  }
  LayerReport report{index, manifest_.layers[static_cast<size_t>(index)].proof, {}};
  uint64_t parameters = 0;
  for (const std::string_view name : linear_names) {
    report.linears.push_back(check_linear(file, name, reference ? &*reference : nullptr));
    parameters += static_cast<uint64_t>(report.linears.back().n) * static_cast<uint64_t>(report.linears.back().k);
  }
  listener_.finished(piece, parameters, false);
  return report;
}

CheckReport Check::operator()(const std::stop_token& stop) {
  CheckReport report{manifest_, {}, {}};
  if (source_) {
    report.inputs = check_inputs_text(inputs_source());
    const std::string lack = calibration_->lacking(source_->config().layers, true);
    if (!held_out_->given() && !lack.empty()) report.inputs += fmt::format("; random ones where {}", lack);
  }
  listener_.begin(manifest_.parameters);
  for (const FileEntry& entry : manifest_.files) check_file(entry);
  const int layers = static_cast<int>(manifest_.layers.size());
  if (const auto strange = layer_files_beyond(request_.result, layers); !strange.empty()) {
    bad_input("{}: holds \"{}\", which the manifest does not name", request_.result.string(), strange.front());
  }
  for (int index = 0; index < layers && !stop.stop_requested(); ++index) report.layers.push_back(check_layer(index));
  return report;
}

}  // namespace

CheckReport check(const CheckRequest& request, Listener& listener, const std::stop_token& stop) {
  return Check(request, listener)(stop);
}

llama::Matrix check_inputs(const PreparedLayer& prepared, std::string_view linear, int k) {
  for (const llama::LayerActivations* activations : {&prepared.held_out, &prepared.activations}) {
    if (const llama::Matrix& recorded = input_of(*activations, linear); recorded.rows > 0)
      return sampled_rows(recorded, check_rows);
  }
  return random_inputs(check_rows, k, 1);
}

std::string check_inputs_text(std::string_view source) {
  if (source.empty()) {
    return fmt::format(
        "{} random tokens of normal values, which have no outlier channels: with recorded ones the "
        "figures are others",
        check_rows);
  }
  return fmt::format("at most {} of {}", check_rows, source);
}

}  // namespace qoq::quantize
