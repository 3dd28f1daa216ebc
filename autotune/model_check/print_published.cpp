#include <fmt/format.h>

#include <cmath>

#include "autotune/model_check/anchors.h"

namespace qoq::model_check {
namespace {

/// All that counts.
struct Totals {
  std::vector<Pair> times;
  size_t orders = 0, right = 0;
};

Totals totals_of(const std::vector<PublishedResult>& results) {
  Totals totals;
  for (const PublishedResult& result : results) {
    if (!result.unscored.empty()) continue;
    for (const auto& time : result.times) {
      if (time.predicted_us) totals.times.push_back({*time.predicted_us, time.anchor->us});
    }
    for (const auto& order : result.orders) {
      if (!order.predicted_ratio) continue;
      ++totals.orders;
      totals.right += order.right() ? 1 : 0;
    }
  }
  return totals;
}

std::string miss(bool missed, const std::string& cause) {
  if (!missed) return "";
  return fmt::format("    miss: {}\n", cause.empty() ? "its cause is not known" : cause);
}

std::string text_of(const PublishedResult::Time& time) {
  const AnchorTime& anchor = *time.anchor;
  if (!time.predicted_us)
    return fmt::format("  {}  {:.1f} us published; not predicted: {}\n", anchor.at.problem.text(), anchor.us,
                       time.why_not);
  const double error = Pair{*time.predicted_us, anchor.us}.error();
  return fmt::format("  {:<40} {:>8.1f} us published {:>8.1f} predicted {:>+6.0f} %  {}\n", anchor.at.problem.text(),
                     anchor.us, *time.predicted_us, 100 * error, anchor.at.variant) +
         miss(std::abs(error) > anchor_tolerance, anchor.cause);
}

std::string text_of(const PublishedResult::Order& order) {
  const AnchorOrder& anchor = *order.anchor;
  const std::string pair = fmt::format("{} before {}", anchor.faster.problem.text(), anchor.slower.problem.text());
  if (!order.predicted_ratio)
    return fmt::format("  {}: {:.2f} x published; not predicted: {}\n", pair, anchor.ratio, order.why_not);
  return fmt::format("  {}: {:.2f} x published, {:.2f} x predicted: {}\n", pair, anchor.ratio, *order.predicted_ratio,
                     order.right() ? "the same order" : "the other order") +
         miss(!order.right(), anchor.cause);
}

}  // namespace

std::string to_text(const std::vector<PublishedResult>& results) {
  std::string text;
  for (const PublishedResult& result : results) {
    const Anchors& anchors = *result.anchors;
    text += fmt::format("{}{}\n  {}; {}; predicted on sim:{}\n", anchors.source, anchors.checked ? "" : " (unchecked)",
                        anchors.file, anchors.conditions, anchors.gpu);
    if (!result.unscored.empty()) text += fmt::format("  not scored: {}\n", result.unscored);
    for (const auto& time : result.times) text += text_of(time);
    for (const auto& order : result.orders) text += text_of(order);
    text += "\n";
  }
  const Totals totals = totals_of(results);
  if (const auto error = median_error(totals.times)) {
    text += fmt::format("{} published times: median |error| {:.1f} %, bias {:+.1f} %\n", totals.times.size(),
                        100 * *error, 100 * *bias(totals.times));
  }
  text += fmt::format("{} of {} published orders are right\n", totals.right, totals.orders);
  return text;
}

nlohmann::ordered_json to_json(const std::vector<PublishedResult>& results) {
  const Totals totals = totals_of(results);
  const auto error = median_error(totals.times);
  nlohmann::ordered_json json{{"times", totals.times.size()},
                              {"error", error ? nlohmann::json(*error) : nlohmann::json()},
                              {"orders", totals.orders},
                              {"right", totals.right},
                              {"files", nlohmann::json::array()}};
  for (const PublishedResult& result : results) {
    nlohmann::ordered_json times = nlohmann::json::array(), orders = nlohmann::json::array();
    for (const auto& time : result.times) {
      times.push_back({{"problem", time.anchor->at.problem.text()},
                       {"variant", time.anchor->at.variant},
                       {"published_us", time.anchor->us},
                       {"predicted_us", time.predicted_us ? nlohmann::json(*time.predicted_us) : nlohmann::json()},
                       {"why_not", time.why_not},
                       {"cause", time.anchor->cause}});
    }
    for (const auto& order : result.orders) {
      orders.push_back(
          {{"faster", order.anchor->faster.problem.text()},
           {"slower", order.anchor->slower.problem.text()},
           {"published_ratio", order.anchor->ratio},
           {"predicted_ratio", order.predicted_ratio ? nlohmann::json(*order.predicted_ratio) : nlohmann::json()},
           {"why_not", order.why_not},
           {"cause", order.anchor->cause}});
    }
    json["files"].push_back({{"file", result.anchors->file},
                             {"source", result.anchors->source},
                             {"checked", result.anchors->checked},
                             {"gpu", result.anchors->gpu},
                             {"not_scored", result.unscored},
                             {"times", times},
                             {"orders", orders}});
  }
  return json;
}

}  // namespace qoq::model_check
