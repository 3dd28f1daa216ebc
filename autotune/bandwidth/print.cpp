#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "autotune/bandwidth/bandwidth.h"

namespace qoq::bandwidth {

using nlohmann::ordered_json;

namespace {

constexpr size_t kColumns = 9;
using Line = std::array<std::string, kColumns>;
const Line kHead{"problem", "us", "noise", "source", "MB", "GB/s", "of ceiling", "× other schemes", "variant"};
constexpr std::array<bool, kColumns> kNumber{false, true, true, false, true, true, true, false, false};

/// A list of contexts can be as long as the batch; json has it whole.
std::string shortened(const std::string& problem) {
  constexpr size_t longest = 72;
  return problem.size() <= longest ? problem : problem.substr(0, longest - 1) + "…";
}

Line line_of(const Row& row) {
  std::string others;
  for (const Other& other : row.others) {
    others +=
        fmt::format("{}{:.2f}× {} ({:.2f} us)", others.empty() ? "" : ", ", other.speed, other.scheme, other.time_us);
  }
  return {shortened(row.problem),
          fmt::format("{:.2f}", row.time_us),
          row.noise ? fmt::format("± {:.1f} %", *row.noise * 100) : "-",
          std::string(store::to_text(row.source)),
          fmt::format("{:.2f}", row.bytes() * 1e-6),
          fmt::format("{:.1f}", row.gb_per_s()),
          row.ceiling_share ? fmt::format("{:.1f} %", *row.ceiling_share * 100) : "-",
          others.empty() ? "-" : others,
          row.variant};
}

/// Characters, not bytes.
size_t width(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string ceilings_text(const Table& table) {
  std::string text;
  for (const Ceiling& ceiling : table.ceilings) {
    text += fmt::format("read-only ceiling, {}: {:.1f} GB/s ({} in {:.2f} us by {})\n", store::to_text(ceiling.source),
                        ceiling.gb_per_s, ceiling.problem, ceiling.time_us, ceiling.variant);
  }
  if (table.ceilings.empty()) return "read-only ceiling: none, no problem \"ceiling read mb=…\" has a time here\n";
  for (const store::Source source : {store::Source::Measured, store::Source::Predicted}) {
    const bool wanted = std::ranges::any_of(table.rows, [&](const Row& row) { return row.source == source; });
    if (wanted && std::ranges::find(table.ceilings, source, &Ceiling::source) == table.ceilings.end())
      text += fmt::format("read-only ceiling, {0}: none, so {0} rows have no share\n", store::to_text(source));
  }
  return text;
}

}  // namespace

std::string to_text(const Table& table, const std::string& environment) {
  std::vector<Line> lines{kHead};
  for (const Row& row : table.rows) lines.push_back(line_of(row));
  std::array<size_t, kColumns> widths{};
  for (const Line& line : lines) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  std::string text = environment + "\n" + ceilings_text(table);
  text += "MB are what any solution must move, each input and output once; MB and GB are powers of ten\n\n";
  for (const Line& line : lines) {
    for (size_t i = 0; i < kColumns; ++i) {
      const std::string blank(widths[i] - width(line[i]), ' ');
      const bool last = i + 1 == kColumns;
      text += kNumber[i] ? blank + line[i] : last ? line[i] : line[i] + blank;
      text += last ? "\n" : "  ";
    }
  }
  return text;
}

ordered_json to_json(const Table& table, const std::string& environment) {
  const auto or_null = [](const std::optional<double>& value) { return value ? ordered_json(*value) : ordered_json(); };
  ordered_json ceilings = ordered_json::array(), rows = ordered_json::array();
  for (const Ceiling& ceiling : table.ceilings) {
    ceilings.push_back({{"source", store::to_text(ceiling.source)},
                        {"problem", ceiling.problem},
                        {"variant", ceiling.variant},
                        {"time_us", ceiling.time_us},
                        {"gb_per_s", ceiling.gb_per_s}});
  }
  for (const Row& row : table.rows) {
    ordered_json others = ordered_json::array();
    for (const Other& other : row.others) {
      others.push_back(
          {{"scheme", other.scheme}, {"problem", other.problem}, {"time_us", other.time_us}, {"speed", other.speed}});
    }
    rows.push_back({{"problem", row.problem},
                    {"variant", row.variant},
                    {"layout", row.layout},
                    {"source", store::to_text(row.source)},
                    {"time_us", row.time_us},
                    {"noise", or_null(row.noise)},
                    {"read_bytes", row.read_bytes},
                    {"write_bytes", row.write_bytes},
                    {"gb_per_s", row.gb_per_s()},
                    {"ceiling_share", or_null(row.ceiling_share)},
                    {"others", others}});
  }
  return {{"target", table.target}, {"environment", environment}, {"ceilings", ceilings}, {"problems", rows}};
}

}  // namespace qoq::bandwidth
