#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "autotune/cli/command.h"
#include "autotune/cli/interrupt.h"
#include "autotune/cli/quantize_progress.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/quantize/ablation.h"
#include "kernels/quantize/check.h"
#include "kernels/quantize/loose_linears.h"
#include "kernels/quantize/print.h"
#include "kernels/quantize/quantizer.h"

namespace qoq::cli {

namespace {

namespace po = boost::program_options;

void declare(po::options_description& options, po::positional_options_description& positional) {
  positional.add("folder", 1);
  const auto text = [] { return po::value<std::string>(); };
  options.add_options()("folder", text()->value_name("DIR"), "a Hugging Face model folder; with --check, a result")(
      "scheme", text()->default_value("w4a8-g128")->value_name("S"), "w4a8-g128, w4a8-g64, w4a8-g32, w4a8-channel")(
      "out", text()->value_name("DIR"), "where the result goes; an interrupted run goes on there")(
      "layout", text()->default_value("qserve")->value_name("L"), "of group metadata: qserve, or fragment (g128)")(
      "calibration", text()->value_name("FILE"), "safetensors of recorded activations; without: weight-only choices");
  options.add_options()("recipe", text()->default_value("qoq")->value_name("R"),
                        "transforms: qoq, rtn, or a list of rotation, smooth-attention=A|search, "
                        "smooth-outputs=A/B|search, reorder, clip=weights|outputs")(
      "no-rotation", "leave out the rotation")("no-smooth-attention", "leave out the smoothing of keys")(
      "no-smooth-outputs", "leave out the smoothing of o's and down's inputs")(
      "no-reorder", "leave out the reordering of channels")("no-clip", "leave out clipping")(
      "rule", text()->default_value("nearest")->value_name("R"),
      "how a group's scale is chosen: nearest, covering, least-error");
  options.add_options()("check", "read the result in DIR again: digests, ranges and, with --against, every error")(
      "against", text()->value_name("MODEL_DIR"), "--check: the model that the result was made from")(
      "held-out", text()->value_name("FILE"), "--check: recorded tokens to judge outputs on, as a calibration")(
      "ablate",
      "no result: the errors of round-to-nearest and of every transform on and off, as Markdown and JSON "
      "(--out DIR: ablation.md and ablation.json there)")("linears",
                                                          "no result: DIR is one safetensors file of any model; the "
                                                          "errors of its linear layers NAME.weight in every format, "
                                                          "on their recorded inputs NAME.input where it has them");
  options.add_options()("verbose,v", "also say what the transforms chose in every layer")("quiet,q", "no progress");
  declare_jobs(options, "threads");
  declare_format(options);
}

quantize::Settings settings_of(const Options& options) {
  quantize::Settings settings;
  settings.scheme = quantize::scheme_named(options["scheme"].as<std::string>());
  settings.rule = quantize::rule_named(options["rule"].as<std::string>());
  settings.layout = parse_layout(options["layout"].as<std::string>());
  settings.packed().group();  // refuses a layout that the scheme does not have
  transform::Recipe& recipe = settings.recipe;
  recipe = transform::read_recipe(options["recipe"].as<std::string>(), settings.format());
  recipe.rotate &= options.count("no-rotation") == 0;
  recipe.smooth_attention &= options.count("no-smooth-attention") == 0;
  recipe.smooth_outputs &= options.count("no-smooth-outputs") == 0;
  recipe.reorder &= options.count("no-reorder") == 0;
  if (options.count("no-clip") != 0) recipe.clip = transform::Clip::None;
  return settings;
}

std::optional<std::filesystem::path> path_option(const Options& options, const char* name) {
  if (options.count(name) == 0) return std::nullopt;
  return options[name].as<std::string>();
}

void print(const quantize::Outcome& outcome, const std::filesystem::path& out, double seconds) {
  const quantize::Manifest& manifest = outcome.manifest;
  const auto bytes = static_cast<double>(manifest.bytes()), fp16 = static_cast<double>(manifest.fp16_bytes());
  fmt::print("{}: {} bytes, fp16 {} bytes: {:.2f} times smaller\n", out.string(), manifest.bytes(),
             manifest.fp16_bytes(), fp16 / bytes);
  fmt::print("{} {} {}, {} parameters; {} pieces written, {} kept, {:.1f} s\n", manifest.scheme, manifest.layout,
             manifest.recipe, manifest.parameters, outcome.written, outcome.kept, seconds);
  double proof = 0;
  for (const quantize::LayerEntry& layer : manifest.layers) proof = std::max(proof, layer.proof);
  if (proof > 0) fmt::print("the transforms changed the fp32 function of a layer by {:.1e} at most\n", proof);
}

int quantise(const Options& options) {
  if (options.count("out") == 0) bad_input("quantize needs a folder for the result: --out DIR");
  quantize::Request request{options["folder"].as<std::string>(),   options["out"].as<std::string>(),
                            path_option(options, "calibration"),   settings_of(options),
                            std::string("qoqtune ") + QOQ_VERSION, job_count(options)};
  const bool as_json = wants_json(options);
  Interrupt interrupt;
  quantize::Outcome outcome;
  double seconds = 0;
  {
    QuantizeProgress progress(options.count("quiet") != 0, options.count("verbose") != 0);
    outcome = quantize::quantize(request, progress, interrupt.token());
    seconds = progress.seconds();
  }
  if (outcome.stopped) {
    fmt::print(stderr, "stopped early; the same command goes on from here\n");
    return interrupt.by_user() ? 130 : 1;
  }
  if (as_json) {
    fmt::print("{}", quantize::write_manifest(outcome.manifest));
  } else {
    print(outcome, request.out, seconds);
  }
  return 0;
}

int check(const Options& options) {
  const quantize::CheckRequest request{options["folder"].as<std::string>(), path_option(options, "against"),
                                       path_option(options, "calibration"), path_option(options, "held-out"),
                                       job_count(options)};
  const bool as_json = wants_json(options);
  Interrupt interrupt;
  quantize::CheckReport report;
  {
    QuantizeProgress progress(options.count("quiet") != 0, false);
    report = quantize::check(request, progress, interrupt.token());
  }
  fmt::print("{}", as_json ? quantize::to_json(report).dump(1) + "\n" : quantize::to_text(report));
  return interrupt.by_user() ? 130 : 0;
}

int ablate(const Options& options) {
  const quantize::AblationRequest request{options["folder"].as<std::string>(), path_option(options, "calibration"),
                                          quantize::rule_named(options["rule"].as<std::string>()), job_count(options)};
  const bool as_json = wants_json(options);
  Interrupt interrupt;
  quantize::Ablation ablation;
  {
    QuantizeProgress progress(options.count("quiet") != 0, false);
    ablation = quantize::ablate(request, progress, interrupt.token());
  }
  if (interrupt.by_user()) return 130;
  nlohmann::ordered_json json{{"command", command_line(options)}};
  json.update(quantize::to_json(ablation));
  const std::string markdown = fmt::format("`{}`\n\n{}", command_line(options), quantize::to_markdown(ablation));
  if (const auto out = path_option(options, "out")) {
    write_file_atomically(*out / "ablation.md", markdown);
    write_file_atomically(*out / "ablation.json", json.dump(1) + "\n");
    fmt::print(stderr, "wrote {0}/ablation.md and {0}/ablation.json\n", out->string());
  }
  fmt::print("{}", as_json ? json.dump(1) + "\n" : markdown);
  return 0;
}

int try_linears(const Options& options) {
  const bool as_json = wants_json(options);
  Interrupt interrupt;
  quantize::LooseReport report;
  {
    QuantizeProgress progress(options.count("quiet") != 0, false);
    report = quantize::quantize_loose_linears(options["folder"].as<std::string>(), job_count(options), progress,
                                              interrupt.token());
  }
  if (interrupt.by_user()) return 130;
  nlohmann::ordered_json json{{"command", command_line(options)}};
  json.update(quantize::to_json(report));
  fmt::print("{}", as_json ? json.dump(1) + "\n"
                           : fmt::format("`{}`\n\n{}", command_line(options), quantize::to_markdown(report)));
  return 0;
}

/// Refuses options that the mode does not take: what they ask for would not be done.
void refuse(const Options& options, std::string_view mode, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (options.count(name) != 0 && !options[name].defaulted()) bad_input("{} takes no --{}", mode, name);
  }
}

int run(const Options& options) {
  if (options.count("check") + options.count("ablate") + options.count("linears") > 1)
    bad_input("one of --check, --ablate and --linears");
  if (options.count("linears") != 0) {
    if (options.count("folder") == 0) bad_input("--linears needs a file: qoqtune quantize --linears FILE");
    refuse(options, "--linears",
           {"out", "scheme", "layout", "calibration", "recipe", "rule", "against", "no-rotation", "no-smooth-attention",
            "no-smooth-outputs", "no-reorder", "no-clip", "verbose"});
    return try_linears(options);
  }
  if (options.count("check") != 0) {
    if (options.count("folder") == 0) bad_input("--check needs a result: qoqtune quantize --check DIR");
    refuse(options, "--check",
           {"out", "scheme", "layout", "recipe", "rule", "no-rotation", "no-smooth-attention", "no-smooth-outputs",
            "no-reorder", "no-clip", "verbose"});
    if (options.count("calibration") + options.count("held-out") != 0 && options.count("against") == 0)
      bad_input("--check takes recorded tokens only with --against MODEL_DIR");
    return check(options);
  }
  if (options.count("folder") == 0) bad_input("quantize needs a model: qoqtune quantize MODEL_DIR --out DIR");
  refuse(options, options.count("ablate") != 0 ? "--ablate" : "quantize without --check", {"against", "held-out"});
  if (options.count("ablate") == 0) return quantise(options);
  refuse(options, "--ablate",
         {"scheme", "layout", "recipe", "no-rotation", "no-smooth-attention", "no-smooth-outputs", "no-reorder",
          "no-clip", "verbose"});
  return ablate(options);
}

}  // namespace

const Command quantize_command{"quantize", "a checkpoint's weights to packed W4A8 files, with every error measured",
                               "MODEL_DIR", declare, run};

}  // namespace qoq::cli
