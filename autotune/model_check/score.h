#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace qoq::model_check {

/// One variant's time as predicted and as measured, µs, both positive.
struct Pair {
  double predicted_us = 0;
  double measured_us = 0;
  /// Signed relative error of the prediction.
  double error() const { return predicted_us / measured_us - 1; }
};

/// Spearman's rank correlation of predicted and measured times, ties sharing their mean rank; nothing for fewer than
/// three pairs, or where all predictions or all measurements are equal.
std::optional<double> spearman(std::span<const Pair> pairs);

/// How much slower than the fastest measured variant is the fastest of the `top` that are predicted fastest; 0: it is
/// among them. Of equal predictions the slower one counts as chosen first. Nothing for no pairs.
std::optional<double> regret(std::span<const Pair> pairs, size_t top);

/// Median of |error| and of the signed error; nothing for no pairs.
std::optional<double> median_error(std::span<const Pair> pairs);
std::optional<double> bias(std::span<const Pair> pairs);

/// The middle one, or the mean of the two in the middle. Nothing for none.
std::optional<double> median(std::vector<double> values);

/// The pairs within `factor` of the best measured one: those between which a tuner chooses.
std::vector<Pair> near_best(std::span<const Pair> pairs, double factor = 2);

/// How well the model does on the variants of one problem.
struct Score {
  size_t rows = 0, near = 0;       ///< variants; those within 2 × of the best
  std::optional<double> spearman;  ///< of the near ones
  std::optional<double> top1;
  std::optional<double> top16;                  ///< nothing for 16 rows or fewer: there it is 0 whatever the model
  std::optional<double> error, bias;            ///< of all
  std::optional<double> near_error, near_bias;  ///< of the near ones
};
Score score(std::span<const Pair> pairs);

/// Several problems together. Ranks compare only within a problem: their median, and the worst.
struct Summary {
  size_t problems = 0, rows = 0;
  std::optional<double> spearman, worst_spearman;
  size_t ranked = 0, well_ranked = 0;  ///< problems with a correlation; those of at least 0.8
  std::optional<double> top1, worst_top1, top16, worst_top16;
  size_t chosen16 = 0, too_few16 = 0;  ///< problems of more than 16 rows, which top16 is of; the others
  std::optional<double> error, bias, near_error, near_bias;  ///< medians over all rows
};
Summary summarise(std::span<const std::vector<Pair>> problems);

/// Whether a problem's rows only score the model. The others may serve to fit a sheet's rates. By a hash of the text
/// alone, so that nobody chooses: the problem is held out when the first hexadecimal digit of its digest is odd.
bool is_held_out(std::string_view problem);

}  // namespace qoq::model_check
