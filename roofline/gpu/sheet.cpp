#include "roofline/gpu/sheet.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "kernels/base/error.h"

namespace qoq::roofline {
namespace {

constexpr std::array<std::string_view, 6> kGrounds = {"datasheet", "guide", "paper", "measured", "derived", "assumed"};

Location place(const std::string& file, const YAML::Mark& mark) {
  return mark.is_null() ? Location{file, 0, 0} : Location{file, mark.line + 1, mark.column + 1};
}

}  // namespace

std::string_view text(Ground ground) { return kGrounds[static_cast<size_t>(ground)]; }

Sheet::Sheet(YAML::Node node, std::string file, std::string path)
    : node_(std::move(node)), file_(std::move(file)), path_(std::move(path)) {
  if (!node_.IsMap())
    bad_input_at(place(file_, node_.Mark()), "{} must be a mapping of keys", path_.empty() ? "the sheet" : path_);
}

Sheet Sheet::parse(std::string_view yaml, const std::string& file) {
  try {
    return Sheet(YAML::Load(std::string(yaml)), file);
  } catch (const YAML::ParserException& e) {
    bad_input_at(place(file, e.mark), "not YAML: {}", e.msg);
  }
}

YAML::Node Sheet::get(const std::string& key) const {
  const YAML::Node node = node_[key];
  if (!node) bad_input_at(place(file_, node_.Mark()), "{}{} is missing", path_, key);
  return node;
}

bool Sheet::has(const std::string& key) const { return static_cast<bool>(node_[key]); }

void Sheet::complain(const std::string& key, const std::string& sentence) const {
  bad_input_at(place(file_, get(key).Mark()), "{}{} {}", path_, key, sentence);
}

std::string Sheet::text(const std::string& key) const {
  const YAML::Node node = get(key);
  if (!node.IsScalar() || node.Scalar().empty()) complain(key, "must be a text");
  return node.Scalar();
}

Sheet Sheet::child(const std::string& key) const { return Sheet(get(key), file_, path_ + key + "."); }

std::vector<std::string> Sheet::keys() const {
  std::vector<std::string> names;
  for (const auto& entry : node_) names.push_back(entry.first.IsScalar() ? entry.first.Scalar() : "");
  return names;
}

void Sheet::allow_only(const std::vector<std::string>& known) const {
  std::vector<std::string> seen;
  for (const auto& entry : node_) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const Location at = place(file_, entry.first.Mark());
    if (std::find(known.begin(), known.end(), key) == known.end())
      bad_input_at(at, "unknown key '{}{}'; known here: {}", path_, key, fmt::join(known, ", "));
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) bad_input_at(at, "{}{} is given twice", path_, key);
    seen.push_back(key);
  }
}

Rate Sheet::rate(const std::string& key, const std::string& unit, double low, double high) const {
  const Sheet entry = child(key);
  std::vector<std::string> allowed = {"value", "unit"};
  allowed.insert(allowed.end(), kGrounds.begin(), kGrounds.end());
  entry.allow_only(allowed);

  Rate rate;
  rate.unit = entry.text("unit");
  if (rate.unit != unit) entry.complain("unit", fmt::format("is '{}'; it must be '{}'", rate.unit, unit));
  if (!YAML::convert<double>::decode(entry.get("value"), rate.value))
    entry.complain("value", fmt::format("must be a number of {}", unit));
  if (!(rate.value >= low && rate.value <= high))
    entry.complain("value", fmt::format("is {}; it must lie between {} and {} {}", rate.value, low, high, unit));
  int grounds = 0;
  for (size_t i = 0; i < kGrounds.size(); ++i) {
    const std::string ground(kGrounds[i]);
    if (!entry.has(ground)) continue;
    ++grounds;
    rate.ground = static_cast<Ground>(i);
    rate.source = entry.text(ground);
  }
  if (grounds != 1) complain(key, fmt::format("needs one source: one of {}", fmt::join(kGrounds, ", ")));
  return rate;
}

}  // namespace qoq::roofline
