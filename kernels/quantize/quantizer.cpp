#include "kernels/quantize/quantizer.h"

#include <functional>

#include "kernels/base/digest.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/quantize/linears.h"
#include "kernels/quantize/out_folder.h"
#include "kernels/quantize/piece.h"
#include "kernels/quantize/prepare.h"

namespace qoq::quantize {

namespace fs = std::filesystem;

namespace {

/// A piece to come. Its identity reads its bytes of the checkpoint, so it is asked for when the line comes to it.
struct Work {
  std::string file;
  uint64_t parameters = 0;
  uint64_t bytes = 0;  ///< its file's, less the header
  std::function<PieceIdentity()> identify;
  std::function<void(const PieceIdentity&)> write;
};

class Run {
 public:
  Run(const Request& request, Listener& listener)
      : request_(request),
        settings_(request.settings),
        listener_(listener),
        source_(request.model, request.settings.scheme),
        calibration_(request.calibration, source_.config()),
        out_(request.out, request.model) {}

  Outcome operator()(const std::stop_token& stop);

 private:
  std::vector<Work> pieces() const;
  Work layer_work(int index) const;
  Work ends_work(const std::string& piece) const;
  void write_layer_piece(int index, const PieceIdentity& identity) const;
  void begin(const std::vector<Work>& work) const;
  Piece settle(const Work& work, Outcome& outcome) const;
  void finish(const std::vector<Piece>& pieces, Outcome& outcome) const;

  const Request& request_;
  const Settings& settings_;
  Listener& listener_;
  ModelSource source_;
  CalibrationSource calibration_;
  OutFolder out_;
};

Work Run::layer_work(int index) const {
  Work work{layer_file_name(index), source_.layer_parameters(), 0, {}, {}};
  for (const std::string_view name : linear_names) {
    const LinearShape shape = linear_shape(source_.config(), name);
    work.bytes += packed_bytes(settings_.scheme, shape.n, shape.k);
  }
  work.identify = [this, index] {
    return PieceIdentity{fmt::format("layer {}", index), settings_text(settings_), source_.piece_digest(index),
                         calibration_.layer_digest(index)};
  };
  work.write = [this, index](const PieceIdentity& identity) { write_layer_piece(index, identity); };
  return work;
}

void Run::write_layer_piece(int index, const PieceIdentity& identity) const {
  listener_.enter(identity.piece, "transforming");
  PreparedLayer prepared = prepare_layer(source_, calibration_, settings_, index, request_.threads);
  clip_layer(source_, settings_, prepared, request_.threads);
  for (const std::string& line : prepared.chosen) listener_.chose(fmt::format("{}: {}", identity.piece, line));
  listener_.enter(identity.piece, "quantising");
  write_layer(out_ / layer_file_name(index), settings_, source_.config(), std::move(prepared), identity,
              request_.threads);
}

Work Run::ends_work(const std::string& piece) const {
  const llama::Config& config = source_.config();
  const bool head = piece == "head";
  const uint64_t parameters = static_cast<uint64_t>(config.vocab) * static_cast<uint64_t>(config.hidden);
  Work work{head ? head_file_name : embedding_file_name,
            head ? source_.ends_parameters() - parameters : parameters,
            0,
            {},
            {}};
  if (!head || stores_head(settings_, config)) work.bytes = parameters * element_bytes(source_.ends_dtype());
  work.identify = [this, piece] {
    return PieceIdentity{piece, settings_text(settings_), source_.piece_digest(std::nullopt), ""};
  };
  work.write = [this, head](const PieceIdentity& identity) {
    listener_.enter(identity.piece, "transforming");
    const auto write = head ? write_head : write_embedding;
    write(out_ / (head ? head_file_name : embedding_file_name), settings_, source_, identity, request_.threads);
  };
  return work;
}

std::vector<Work> Run::pieces() const {
  std::vector<Work> work;
  for (int index = 0; index < source_.config().layers; ++index) work.push_back(layer_work(index));
  work.push_back(ends_work("embedding"));
  work.push_back(ends_work("head"));
  return work;
}

/// What can be refused before anything is written.
void Run::begin(const std::vector<Work>& work) const {
  if (const fs::path manifest = out_ / manifest_file_name; fs::exists(manifest)) {
    const Manifest found = read_manifest(manifest);
    const std::string recipe = transform::write_recipe(settings_.recipe);
    if (found.scheme != settings_.scheme.name || found.rule != rule_name(settings_.rule) ||
        found.layout != layout_name(settings_.layout) || found.recipe != recipe) {
      bad_input("{}: holds a finished result of {} ({}, {}, {}); give another folder or remove it",
                out_.path().string(), found.scheme, found.rule, found.layout, found.recipe);
    }
    if (found.files.size() < work.size() || found.layers.size() + 2 != work.size())
      bad_input("{}: holds the finished result of a model of {} layers, not of {}", out_.path().string(),
                found.layers.size(), work.size() - 2);
  }
  if (const auto strange = layer_files_beyond(out_.path(), source_.config().layers); !strange.empty()) {
    bad_input("{}: holds \"{}\", and this model has {} layers; give another folder or remove it", out_.path().string(),
              strange.front(), source_.config().layers);
  }
  uint64_t missing = 0;
  for (const Work& piece : work) missing += fs::exists(out_ / piece.file) ? 0 : piece.bytes;
  out_.need(missing);
}

/// Keeps the piece that is there, or makes it.
Piece Run::settle(const Work& work, Outcome& outcome) const {
  const PieceIdentity identity = work.identify();
  listener_.enter(identity.piece, "reading");
  const fs::path path = out_ / work.file;
  const std::optional<Piece> there = piece_if_whole(path);
  if (there && there->identity == identity && there->format == settings_.packed()) {
    ++outcome.kept;
    listener_.finished(identity.piece, work.parameters, true);
    return *there;
  }
  if (fs::exists(out_ / manifest_file_name)) {
    if (there && (there->identity.source != identity.source || there->identity.calibration != identity.calibration)) {
      bad_input(
          "{}: holds a finished result of another model or calibration ({} differs); give another folder or "
          "remove it",
          out_.path().string(), identity.piece);
    }
    out_.remove(manifest_file_name);  // until the piece is whole again, nothing may look whole
  }
  work.write(identity);
  ++outcome.written;
  listener_.finished(identity.piece, work.parameters, false);
  return read_piece(path);
}

/// The model's small files, and the manifest that makes the result whole.
void Run::finish(const std::vector<Piece>& pieces, Outcome& outcome) const {
  Manifest& manifest = outcome.manifest;
  manifest.producer = request_.producer;
  manifest.scheme = settings_.scheme.name;
  manifest.rule = rule_name(settings_.rule);
  manifest.layout = layout_name(settings_.layout);
  manifest.recipe = transform::write_recipe(settings_.recipe);
  manifest.parameters = source_.parameters();
  std::string sources, calibrations;
  for (const Piece& piece : pieces) {
    sources += piece.identity.source;
    calibrations += piece.identity.calibration;
    manifest.files.push_back(piece.file);
    if (piece.identity.piece.starts_with("layer")) manifest.layers.push_back(piece.layer);
  }
  manifest.source = digest(sources);
  if (calibration_.given()) manifest.calibration = digest(calibrations);
  for (const std::string& name : companions_in(source_.folder())) {
    const std::string bytes = read_file(source_.folder() / name);
    if (read_file_if_present(out_ / name) != bytes) write_file_atomically(out_ / name, bytes);
    manifest.files.push_back({name, bytes.size(), digest(bytes)});
  }
  const std::string text = write_manifest(manifest);
  if (read_file_if_present(out_ / manifest_file_name) != text) write_file_atomically(out_ / manifest_file_name, text);
}

Outcome Run::operator()(const std::stop_token& stop) {
  const std::vector<Work> work = pieces();
  begin(work);
  listener_.begin(source_.parameters());
  if (!calibration_.given() && !(settings_.recipe == transform::rtn_recipe()))
    listener_.note("no calibration: the transforms choose by weights alone");
  const std::string lack = calibration_.lacking(source_.config().layers);
  if (!lack.empty() && !(settings_.recipe == transform::rtn_recipe()))
    listener_.note(lack + ": what needs it is chosen by weights alone");
  Outcome outcome;
  std::vector<Piece> done;
  for (const Work& piece : work) {
    if (stop.stop_requested()) {
      outcome.stopped = true;
      return outcome;
    }
    done.push_back(settle(piece, outcome));
  }
  finish(done, outcome);
  return outcome;
}

}  // namespace

Outcome quantize(const Request& request, Listener& listener, const std::stop_token& stop) {
  return Run(request, listener)(stop);
}

}  // namespace qoq::quantize
