#include "autotune/model_check/anchors.h"

#include <array>
#include <cmath>
#include <span>

#include "autotune/job/yaml.h"
#include "kernels/base/embedded.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/families.h"
#include "roofline/gpu/gpu.h"
#include "roofline/model/subject.h"

namespace qoq::embedded {
extern const std::span<const File> model_anchors;
}

namespace qoq::model_check {
namespace {

constexpr double kLongestUs = 1e9, kLargestRatio = 1e4;

/// Reads a problem and a variant and finds the kernel, so that a mistake is told with its place.
StandIn read_stand_in(const job::Yaml& problem, const job::Yaml& variant) {
  StandIn read;
  try {
    read.problem = parse_problem(problem.text());
  } catch (const Error& error) {
    problem.fault("{}", error.what());
  }
  try {
    read.variant = variant.text();
    const NamedVariant named = find_variant(read.variant, read.problem);
    if (named.problem.scheme != read.problem.scheme)
      fail("is of scheme {}, its problem of {}", named.problem.scheme, read.problem.scheme);
    if (const auto why = named.family->illegal(named.point, named.problem)) fail("is no kernel: {}", *why);
  } catch (const Error& error) {
    variant.fault("{}", error.what());
  }
  return read;
}

std::string cause_of(const job::Record& row) {
  const auto cause = row.find("cause");
  return cause ? cause->text() : "";
}

AnchorTime read_time(const job::Yaml& value) {
  static const std::array<std::string, 4> keys{"problem", "variant", "us", "cause"};
  const job::Record row(value, keys);
  return {read_stand_in(row.require("problem"), row.require("variant")), row.require("us").positive(kLongestUs),
          cause_of(row)};
}

AnchorOrder read_order(const job::Yaml& value) {
  static const std::array<std::string, 6> keys{"faster", "by", "slower", "at", "ratio", "cause"};
  const job::Record row(value, keys);
  return {read_stand_in(row.require("faster"), row.require("by")),
          read_stand_in(row.require("slower"), row.require("at")), row.require("ratio").positive(kLargestRatio),
          cause_of(row)};
}

/// Predicts stand-ins on one sheet.
class Predictor {
 public:
  Predictor(roofline::Gpu gpu, const CompilerOf& compiler) : gpu_(std::move(gpu)), compiler_(compiler) {}

  /// The time, or why there is none.
  std::optional<double> predict(const StandIn& at, std::string& why_not) const {
    const NamedVariant named = find_variant(at.variant, at.problem);
    if (const auto why = named.family->unsupported(named.point, at.problem, gpu_.device)) {
      why_not = *why;
      return std::nullopt;
    }
    const Source source = named.family->source(named.point, at.problem);
    const compile::Build build = compiler_(gpu_.device.architecture()).build(std::span(&source, 1)).front();
    if (!build.ok) {
      why_not = "it does not compile";
      return std::nullopt;
    }
    const std::string cubin = read_file(build.object);
    const auto entries = roofline::read_cubin(std::as_bytes(std::span(cubin)));
    const auto subject = roofline::subject_of(*named.family, named.point, at.problem, gpu_.device, entries);
    const double us = roofline::predict(gpu_, subject).total_us;
    if (std::isfinite(us)) return us;
    why_not = "no CTA of it fits on an SM";
    return std::nullopt;
  }

 private:
  roofline::Gpu gpu_;
  const CompilerOf& compiler_;
};

}  // namespace

Anchors parse_anchors(const std::string& file, const std::string& text) {
  static const std::array<std::string, 7> keys{"source", "conditions", "gpu", "checked", "fitted", "times", "orders"};
  const job::Yaml document = job::Yaml::parse(file, text);
  const job::Record record(document, keys);
  Anchors anchors;
  anchors.file = file;
  anchors.source = record.require("source").text();
  anchors.conditions = record.require("conditions").text();
  anchors.gpu = record.require("gpu").text();
  anchors.checked = record.require("checked").boolean();
  if (const auto fitted = record.find("fitted")) anchors.fitted = fitted->boolean();
  if (const auto times = record.find("times")) {
    for (const job::Yaml& row : times->list()) anchors.times.push_back(read_time(row));
  }
  if (const auto orders = record.find("orders")) {
    for (const job::Yaml& row : orders->list()) anchors.orders.push_back(read_order(row));
  }
  if (anchors.times.empty() && anchors.orders.empty()) document.fault("has neither times nor orders");
  return anchors;
}

std::vector<Anchors> embedded_anchors() {
  std::vector<Anchors> all;
  for (const embedded::File& file : embedded::model_anchors)
    all.push_back(parse_anchors(std::string(file.path), std::string(file.text)));
  return all;
}

PublishedResult predict_published(const Anchors& anchors, const CompilerOf& compiler) {
  PublishedResult result{&anchors, "", {}, {}};
  const auto sheets = roofline::embedded_gpus();
  const auto sheet = sheets.find(anchors.gpu);
  if (sheet == sheets.end()) {
    result.unscored = "there is no sheet of " + anchors.gpu;
    return result;
  }
  if (anchors.fitted) result.unscored = "a rate was fitted to it";
  const Predictor predictor(sheet->second, compiler);
  for (const AnchorTime& anchor : anchors.times) {
    PublishedResult::Time time{&anchor, std::nullopt, ""};
    time.predicted_us = predictor.predict(anchor.at, time.why_not);
    result.times.push_back(std::move(time));
  }
  for (const AnchorOrder& anchor : anchors.orders) {
    PublishedResult::Order order{&anchor, std::nullopt, ""};
    const auto faster = predictor.predict(anchor.faster, order.why_not);
    const auto slower = faster ? predictor.predict(anchor.slower, order.why_not) : std::nullopt;
    if (faster && slower) order.predicted_ratio = *slower / *faster;
    result.orders.push_back(std::move(order));
  }
  return result;
}

}  // namespace qoq::model_check
