#include "kernels/accuracy/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

namespace qoq::accuracy {

namespace {

/// Rows that differ in their seeds only.
struct Mean {
  double kl = 0, least_kl = std::numeric_limits<double>::infinity(), largest_kl = 0, top1 = 0, cosine = 0, entropy = 0;
  int seeds = 0;
};

struct Line {
  std::string way, scheme;
  bool operator==(const Line&) const = default;
};

class Table {
 public:
  Table(std::span<const StudyRow> rows, std::string subject) : subject_(std::move(subject)) {
    for (const StudyRow& row : rows) {
      if (row.subject != subject_) continue;
      rows_.push_back(&row);
      outliers_.insert(row.outliers);
      if (const Line line{row.way, row.scheme}; std::ranges::find(lines_, line) == lines_.end()) lines_.push_back(line);
    }
  }

  const std::set<double>& outliers() const { return outliers_; }
  const std::vector<Line>& lines() const { return lines_; }

  /// Nothing is there: no seeds.
  Mean mean(const Line& line, double outliers) const {
    Mean out;
    for (const StudyRow* row : rows_) {
      if (row->way != line.way || row->scheme != line.scheme || row->outliers != outliers) continue;
      const Agreement& a = row->agreement;
      out.kl += a.kl;
      out.least_kl = std::min(out.least_kl, a.kl);
      out.largest_kl = std::max(out.largest_kl, a.kl);
      out.top1 += a.top1;
      out.cosine += a.cosine;
      out.entropy += a.entropy;
      ++out.seeds;
    }
    for (double* sum : {&out.kl, &out.top1, &out.cosine, &out.entropy}) *sum /= std::max(out.seeds, 1);
    return out;
  }

  std::string markdown() const {
    std::string text = "| scheme | way |", rule = "|---|---|";
    for (const double x : outliers_) {
      const std::string of = x > 0 ? fmt::format(", outliers {}", x) : "";
      text += fmt::format(" KL{} | top-1 | cosine |", of);
      rule += "---:|---:|---:|";
    }
    text += "\n" + rule + "\n";
    for (const Line& line : lines_) {
      text += fmt::format("| {} | {} |", line.way == "fp16" ? "" : line.scheme, line.way);
      for (const double x : outliers_) {
        const Mean m = mean(line, x);
        if (m.seeds == 0) {
          text += "  |  |  |";
        } else {
          text += fmt::format(" {:.4f} ({:.4f} … {:.4f}) | {:.1f} % | {:.5f} |", m.kl, m.least_kl, m.largest_kl,
                              100 * m.top1, m.cosine);
        }
      }
      text += "\n";
    }
    return text;
  }

  /// Where it does not pay, a line each.
  std::string losses() const {
    std::string text;
    for (const double x : outliers_) {
      const std::string at = x > 0 ? fmt::format("at outliers of {}", x) : "";
      for (const char* scheme : {"w4a8-g128", "w4a8-channel"}) lose_to_rtn(scheme, x, at, text);
      const Mean all = mean({"qoq", "w4a8-g128"}, x), none = mean({"rtn", "w4a8-g128"}, x);
      for (const Line& line : lines_) {
        const Mean m = mean(line, x);
        if (m.seeds == 0) continue;
        if (line.way.starts_with("qoq - ") && m.kl < all.kl)
          text += fmt::format("- {} {}: without {}, QoQ's mean KL is {:.4f} instead of {:.4f}.\n", line.scheme, at,
                              line.way.substr(6), m.kl, all.kl);
        if (line.way.starts_with("rtn + ") && m.kl > none.kl)
          text += fmt::format("- {} {}: {} alone makes rounding to nearest worse, KL {:.4f} instead of {:.4f}.\n",
                              line.scheme, at, line.way.substr(6), m.kl, none.kl);
      }
    }
    return text.empty() ? "- nowhere in these rows.\n" : text;
  }

 private:
  /// Seeds whose KL is no less with QoQ.
  void lose_to_rtn(const std::string& scheme, double outliers, const std::string& at, std::string& text) const {
    for (const StudyRow* rtn : rows_) {
      if (rtn->way != "rtn" || rtn->scheme != scheme || rtn->outliers != outliers) continue;
      for (const StudyRow* qoq : rows_) {
        if (qoq->way == "qoq" && qoq->scheme == scheme && qoq->outliers == outliers && qoq->seed == rtn->seed &&
            !(qoq->agreement.kl < rtn->agreement.kl))
          text += fmt::format("- {} {}, seed {}: QoQ's KL is {:.4f}, rounding to nearest has {:.4f}.\n", scheme, at,
                              qoq->seed, qoq->agreement.kl, rtn->agreement.kl);
      }
    }
  }

  std::string subject_;
  std::vector<const StudyRow*> rows_;
  std::vector<Line> lines_;
  std::set<double> outliers_;
};

}  // namespace

std::string to_markdown(std::span<const StudyRow> rows, const StudySettings& settings) {
  std::vector<std::string> subjects;
  std::set<uint64_t> seeds;
  double proof = 0;
  for (const StudyRow& row : rows) {
    if (std::ranges::find(subjects, row.subject) == subjects.end()) subjects.push_back(row.subject);
    seeds.insert(row.seed);
    proof = std::max(proof, row.proof);
  }
  std::string text = fmt::format(
      "Next-token logits beside those of the untouched model in fp32, at {} positions in sequences of {}, means over "
      "{} "
      "seed{} (of weights and tokens); KL in nats, in brackets the seeds' least and largest; top-1: the same most "
      "probable token. Ways without a remark are W4A8KV4, each position computed as a decode step: earlier tokens' "
      "keys "
      "and values from the 4-bit cache, its own unquantised. Transforms saw {} other tokens, and changed the fp32 "
      "function of no layer by more than {:.1e}.\n",
      settings.positions, settings.sequence, seeds.size(), seeds.size() == 1 ? "" : "s", settings.calibration, proof);
  for (const std::string& subject : subjects) {
    const Table table(rows, subject);
    text += fmt::format("\n## {}\n\n", subject);
    if (!table.lines().empty()) {
      std::string entropies;
      for (const double x : table.outliers())
        entropies +=
            fmt::format("{}{:.2f}{}", entropies.empty() ? "" : ", ", table.mean(table.lines().front(), x).entropy,
                        x > 0 ? fmt::format(" (outliers {})", x) : "");
      text += fmt::format("Entropy of the fp32 model's distributions, nats: {}.\n\n", entropies);
    }
    text += table.markdown() + "\nWhere it does not pay:\n" + table.losses();
  }
  return text;
}

nlohmann::json to_json(std::span<const StudyRow> rows, const StudySettings& settings) {
  nlohmann::json out{{"positions", settings.positions},
                     {"sequence", settings.sequence},
                     {"calibration_tokens", settings.calibration},
                     {"rows", nlohmann::json::array()}};
  for (const StudyRow& row : rows) {
    const Agreement& a = row.agreement;
    out["rows"].push_back({{"model", row.subject},
                           {"outliers", row.outliers},
                           {"seed", row.seed},
                           {"way", row.way},
                           {"scheme", row.scheme},
                           {"recipe", row.recipe},
                           {"kl_nats", a.kl},
                           {"top1_agreement", a.top1},
                           {"logit_cosine", a.cosine},
                           {"reference_entropy_nats", a.entropy},
                           {"proof", row.proof}});
  }
  return out;
}

}  // namespace qoq::accuracy
