#include "kernels/gemm/problem.h"

#include <algorithm>
#include <array>

#include "kernels/base/error.h"

namespace qoq::gemm {

namespace {

/// 255 · 128 · k must stay below 2^31: the largest sum that an int32 accumulator is asked to hold.
constexpr int64_t largest_k = 65536;
constexpr int64_t largest_m_n = int64_t{1} << 20;

constexpr std::array outputs{Output::F16, Output::BF16, Output::I32};

int size_in_range(const Problem& problem, std::string_view field, int64_t largest) {
  const int64_t size = problem.size(field);
  if (size < 1 || size > largest)
    bad_input("\"{}\": {}={} is out of range, 1 to {}", problem.text(), field, size, largest);
  return static_cast<int>(size);
}

void check_multiple(const Problem& problem, std::string_view field, int size, int multiple, std::string_view why) {
  if (size % multiple != 0) {
    bad_input("\"{}\": {}={} is not a multiple of {}, {}", problem.text(), field, size, multiple, why);
  }
}

}  // namespace

std::string_view name(Scheme scheme) {
  switch (scheme) {
    case Scheme::W4A8Group:
      return "w4a8-g128";
    case Scheme::W4A8Channel:
      return "w4a8-channel";
    case Scheme::W8A8:
      return "w8a8";
    case Scheme::W4A16Group:
      return "w4a16-g128";
    case Scheme::W4A4Group:
      return "w4a4-g128";
  }
  return "?";
}

std::string_view name(Output output) {
  switch (output) {
    case Output::F16:
      return "fp16";
    case Output::BF16:
      return "bf16";
    case Output::I32:
      return "i32";
  }
  return "?";
}

GemmProblem GemmProblem::parse(const Problem& problem) {
  if (problem.op != "gemm") bad_input("\"{}\" is not a gemm", problem.text());
  for (const auto& [field, value] : problem.fields) {
    constexpr std::array known{"m", "n", "k", "out", "bias"};
    if (std::find(known.begin(), known.end(), field) == known.end()) {
      bad_input("\"{}\": a gemm has no field \"{}\"; it has m, n, k, out and bias", problem.text(), field);
    }
  }
  GemmProblem p;
  const auto scheme = std::find_if(schemes.begin(), schemes.end(), [&](Scheme s) { return name(s) == problem.scheme; });
  if (scheme == schemes.end()) {
    bad_input("\"{}\": unknown scheme \"{}\"; a gemm has w4a8-g128, w4a8-channel, w8a8, w4a16-g128 and w4a4-g128",
              problem.text(), problem.scheme);
  }
  p.scheme = *scheme;
  p.m = size_in_range(problem, "m", largest_m_n);
  p.n = size_in_range(problem, "n", largest_m_n);
  p.k = size_in_range(problem, "k", largest_k);
  if (const std::string_view out = problem.field("out"); !out.empty()) {
    const auto output = std::find_if(outputs.begin(), outputs.end(), [&](Output o) { return name(o) == out; });
    if (output == outputs.end()) bad_input("\"{}\": out={} is unknown; fp16, bf16 or i32", problem.text(), out);
    p.output = *output;
  }
  if (const std::string_view bias = problem.field("bias"); !bias.empty()) {
    if (bias != "0" && bias != "1") bad_input("\"{}\": bias={} is neither 0 nor 1", problem.text(), bias);
    p.bias = bias == "1";
  }
  if (p.bias && p.output == Output::I32) bad_input("\"{}\": out=i32 gives bare sums, without bias", problem.text());
  const bool float_sums = p.scheme == Scheme::W4A16Group || p.scheme == Scheme::W4A4Group;
  if (float_sums && p.output == Output::I32)
    bad_input("\"{}\": out=i32 gives bare int32 sums, {} adds floats", problem.text(), problem.scheme);
  switch (p.scheme) {
    case Scheme::W4A8Group:
    case Scheme::W4A16Group:
    case Scheme::W4A4Group:
      check_multiple(problem, "k", p.k, group_size, "the group that shares a scale");
      check_multiple(problem, "n", p.n, 32, "the columns of a packed block");
      break;
    case Scheme::W4A8Channel:
      check_multiple(problem, "k", p.k, 32, "the rows of a packed block");
      check_multiple(problem, "n", p.n, 32, "the columns of a packed block");
      break;
    case Scheme::W8A8:
      check_multiple(problem, "k", p.k, 16, "the bytes of one copy");
      check_multiple(problem, "n", p.n, 8, "the columns of one fragment");
      break;
  }
  return p;
}

Problem GemmProblem::problem() const {
  Problem problem{"gemm", std::string(name(scheme)), {}};
  problem.fields = {{"m", std::to_string(m)}, {"n", std::to_string(n)}, {"k", std::to_string(k)}};
  if (output != Output::F16) problem.fields.emplace_back("out", name(output));
  if (bias) problem.fields.emplace_back("bias", "1");
  return problem;
}

}  // namespace qoq::gemm
