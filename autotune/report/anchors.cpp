// Published attention times, and our rows of the same problems where the database has them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "autotune/job/yaml.h"
#include "autotune/report/sections.h"
#include "autotune/report/text.h"
#include "kernels/base/embedded.h"
#include "kernels/base/error.h"

namespace qoq::embedded {
extern const std::span<const File> report_anchors;
}

namespace qoq::report {
namespace {

constexpr double kLongestMs = 1e6;

/// One line of the paper's table.
struct Published {
  Problem problem;  ///< with a 4-bit cache
  double kv8_ms = 0, naive_kv4_ms = 0, kv4_ms = 0;
  std::string unchecked;  ///< why it is not sure to be the paper's; empty: it was looked up
};

struct Anchors {
  std::string source, condition, product;
  std::vector<Published> rows;
};

Anchors read_anchors(const embedded::File& file) {
  static const std::array<std::string, 4> keys{"source", "condition", "product", "rows"};
  static const std::array<std::string, 5> row_keys{"problem", "kv8", "naive_kv4", "kv4", "unchecked"};
  const job::Record record(job::Yaml::parse(std::string(file.path), std::string(file.text)), keys);
  Anchors anchors{
      record.require("source").text(), record.require("condition").text(), record.require("product").text(), {}};
  for (const job::Yaml& element : record.require("rows").list()) {
    const job::Record row(element, row_keys);
    const auto ms = [&](const char* key) { return row.require(key).positive(kLongestMs); };
    const auto unchecked = row.find("unchecked");
    anchors.rows.push_back({Problem::parse(row.require("problem").text()), ms("kv8"), ms("naive_kv4"), ms("kv4"),
                            unchecked ? unchecked->text() : ""});
  }
  return anchors;
}

/// The same fields with the same values, whatever their order.
bool same_problem(const Problem& a, const Problem& b) {
  const std::map<std::string, std::string> fields(a.fields.begin(), a.fields.end());
  return a.op == b.op && a.scheme == b.scheme && fields == std::map(b.fields.begin(), b.fields.end());
}

/// The chosen kernel's row of a problem on a GPU, when it has a time.
const store::Candidate* our_row(const GpuFacts& gpu, const Problem& problem) {
  const auto found = std::ranges::find_if(gpu.problems, [&](const ProblemFacts& facts) {
    return facts.timed() && same_problem(Problem::parse(facts.problem.text), problem);
  });
  return found == gpu.problems.end() ? nullptr : &*found->chosen;
}

Cell paper_cell(double ms) { return {.text = fmt::format("{:.2f}", ms), .number = ms}; }

Cell our_cell(const store::Candidate* row) {
  if (!row) return {.text = "—"};
  const double ms = *row->median_us / 1000;
  return {.text = fmt::format("{:.3f}", ms), .hover = row->variant, .number = ms};
}

/// Published times were measured: they are compared with measured ones of the same product, and with no others.
Cell ratio_cell(const Anchors& anchors, const Published& published, const GpuFacts& gpu, const store::Candidate* row) {
  if (!row) return {.text = "—"};
  if (gpu.name().find(anchors.product) == std::string::npos) return {.text = "—", .note = "another GPU"};
  if (row->source != store::Source::Measured) return {.text = "—", .note = "not compared: ours is no measurement"};
  const double ratio = published.kv4_ms * 1000 / *row->median_us;
  return {.text = ratio_text(ratio), .number = ratio};
}

void add_rows(const Anchors& anchors, const Facts& facts, Table& table) {
  for (const Published& published : anchors.rows) {
    Problem wide = published.problem;
    wide.scheme = "kv8";
    const std::string mark = published.unchecked.empty() ? "" : published.unchecked + ", unchecked";
    const std::vector<Cell> paper = {{.text = std::string(published.problem.field("ctx")),
                                      .note = mark,
                                      .number = static_cast<double>(published.problem.size("ctx"))},
                                     paper_cell(published.kv8_ms),
                                     paper_cell(published.naive_kv4_ms),
                                     paper_cell(published.kv4_ms)};
    bool shown = false;
    for (const GpuFacts& gpu : facts.gpus) {
      const store::Candidate *four = our_row(gpu, published.problem), *eight = our_row(gpu, wide);
      if (!four && !eight) continue;
      std::vector<Cell> cells = paper;
      const store::Source source = (four ? four : eight)->source;
      cells.insert(cells.end(), {{.text = gpu.name()},
                                 {.text = std::string(store::to_text(source)), .style = Cell::Style::Badge},
                                 our_cell(eight),
                                 our_cell(four),
                                 ratio_cell(anchors, published, gpu, four)});
      table.rows.push_back(std::move(cells));
      shown = true;
    }
    if (shown) continue;
    std::vector<Cell> cells = paper;
    cells.insert(cells.end(),
                 {{.text = "not in this database"}, {.text = "—"}, {.text = "—"}, {.text = "—"}, {.text = "—"}});
    table.rows.push_back(std::move(cells));
  }
}

}  // namespace

void add_anchors(const Facts& facts, Document& document) {
  for (const embedded::File& file : embedded::report_anchors) {
    const Anchors anchors = read_anchors(file);
    const std::string& op = anchors.rows.front().problem.op;
    const auto has_problem = [&](const GpuFacts& gpu) {
      return std::ranges::any_of(gpu.problems, [&](const ProblemFacts& f) { return f.problem.op == op; });
    };
    if (std::ranges::none_of(facts.gpus, has_problem)) continue;
    document.add(Heading{2, "KV4 attention beside the paper", "anchors", ""});
    document.add(Paragraph{
        fmt::format("Published: {}. Conditions there: {}. Ours are the chosen kernels of the problem "
                    "{} and the same with kv8, at each context.",
                    anchors.source, anchors.condition, anchors.rows.front().problem.with("ctx", "…").text())});
    Table table{.columns = {{"context", true, "cached tokens a sequence; below: how far the paper's figures are sure"},
                            {"paper: KV8", true, "ms"},
                            {"paper: naive KV4", true, "ms"},
                            {"paper: QServe's KV4", true, "ms"},
                            {"our rows on", false, ""},
                            {"source", false, "of our times"},
                            {"our KV8", true, "ms"},
                            {"our KV4", true, "ms"},
                            {"QServe / ours", true, "KV4 times, where both were measured on the same product"}}};
    add_rows(anchors, facts, table);
    document.add(std::move(table));
  }
}

}  // namespace qoq::report
