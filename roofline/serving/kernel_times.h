#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace qoq::roofline {

/// What a time rests on. A sum rests on all that its terms rest on, and says so.
enum class Basis { Measured, Predicted, Estimated };
std::string_view text(Basis basis);

/// A time in µs and what it rests on.
struct Figured {
  double us = 0;
  std::set<Basis> bases;
  bool beyond = false;  ///< beyond the tuned sizes

  Figured& operator+=(const Figured& other);
  Figured times(double factor) const { return {us * factor, bases, beyond}; }
};
/// "predicted and estimated".
std::string text(const std::set<Basis>& bases);

/// Chosen kernels' times of one weight matrix over m, or of one attention at one context over the tokens in all caches.
class TimeCurve {
 public:
  /// Another time of the same size replaces the first if its basis is better (measured), or equal and the time shorter.
  void add(double size, double us, Basis basis);
  /// Linear between neighbours; below the smallest size the smallest's time; beyond the largest in proportion to size.
  /// Where measured and predicted sizes lie beside each other both bases are named.
  Figured at(double size) const;
  bool empty() const { return points_.empty(); }
  size_t size() const { return points_.size(); }

 private:
  struct Point {
    double us = 0;
    Basis basis = Basis::Predicted;
  };
  std::map<double, Point> points_;
};

/// All chosen kernels of one GPU.
struct KernelTimes {
  /// By "scheme n k" (gemm) and "scheme q/kv dh" (attention).
  std::map<std::string, TimeCurve> gemms;
  /// By context, over batch · context: one long sequence and many short ones hold as many tokens and take other times.
  std::map<std::string, std::map<int64_t, TimeCurve>> attentions;

  static std::string gemm_key(std::string_view scheme, int64_t n, int64_t k);
  static std::string attention_key(std::string_view scheme, int q_heads, int kv_heads, int head_dim);
  const TimeCurve* gemm(std::string_view scheme, int64_t n, int64_t k) const;
  /// The curve of the context nearest in ratio to the asked one (tokens of one sequence), of two as near the shorter's.
  const TimeCurve* attention(std::string_view scheme, int q_heads, int kv_heads, int head_dim, double context) const;
};

}  // namespace qoq::roofline
