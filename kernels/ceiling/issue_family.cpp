#include "kernels/ceiling/issue_family.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"
#include "kernels/base/random.h"
#include "kernels/ceiling/issue.cuh"
#include "kernels/ceiling/warp_family.h"

namespace qoq::ceiling {

namespace {

struct Scheme {
  std::string_view name;
  Issued op;
  std::string_view kernel;  ///< the operation's name in the kernel
};
constexpr Scheme table[] = {
    {"issue.iadd3", Issued::Iadd3, "Iadd3"}, {"issue.lop3", Issued::Lop3, "Lop3"},
    {"issue.imad", Issued::Imad, "Imad"},    {"issue.prmt", Issued::Prmt, "Prmt"},
    {"issue.shf", Issued::Shf, "Shf"},       {"issue.hfma2", Issued::Hfma2, "Hfma2"},
    {"issue.ffma", Issued::Ffma, "Ffma"},    {"shared", Issued::Lds, "Lds"},
};
constexpr size_t most_chains = 16;

const Scheme& scheme_of(const Problem& problem) {
  for (const Scheme& scheme : table) {
    if (scheme.name == problem.scheme) return scheme;
  }
  bad_input("\"{}\": ceiling/issue has no scheme {}", problem.text(), problem.scheme);
}

/// x² + c in binary16 of values below 4: exact in double, then to the nearest even multiple of the last place.
uint16_t squared_half(uint16_t x, uint16_t c) {
  const double wide = half_to_float(x);
  const double exact = wide * wide + static_cast<double>(half_to_float(c));
  if (exact == 0) return 0;
  const double place = std::ldexp(1.0, std::max(std::ilogb(exact), -14) - 10);
  return float_to_half(static_cast<float>(std::nearbyint(exact / place) * place));
}

/// One thread's chains on the CPU, in plain arithmetic.
uint32_t after_one(Issued op, uint32_t mine, uint32_t next, int step, const uint32_t (&c)[2]) {
  switch (op) {
    case Issued::Iadd3:
      return mine + next + c[0];
    case Issued::Lop3:
      return mine ^ (next | c[0]);
    case Issued::Imad:
      return mine * c[0] + c[1];
    case Issued::Shf:
      return std::rotl(mine, static_cast<int>(next & 31));
    case Issued::Prmt: {
      uint32_t picked = 0;
      for (int i = 0; i < 4; ++i) picked |= (mine >> (8 * (c[step % 2] >> (4 * i) & 3)) & 0xff) << (8 * i);
      return picked;
    }
    case Issued::Hfma2: {
      const auto half_of = [&](int shift) {
        return uint32_t{squared_half(static_cast<uint16_t>(mine >> shift), static_cast<uint16_t>(c[0] >> shift))};
      };
      return half_of(0) | half_of(16) << 16;
    }
    case Issued::Ffma: {
      const float x = std::bit_cast<float>(mine);
      return std::bit_cast<uint32_t>(std::fma(x, x, std::bit_cast<float>(c[0])));
    }
    case Issued::Lds:
      break;
  }
  fail("shared memory is not issued in chains");
}

uint32_t folded(const std::vector<uint32_t>& words) {
  uint32_t word = 0;
  for (const uint32_t each : words) word = word * 31 + each;
  return word;
}

class IssueFamily final : public WarpFamily {
 public:
  std::string_view name() const override { return "ceiling/issue"; }
  std::vector<std::string> schemes() const override {
    std::vector<std::string> names;
    for (const Scheme& scheme : table) names.emplace_back(scheme.name);
    return names;
  }
  std::vector<Parameter> parameters() const override {
    return {{"threads", "threads of a CTA", {128, 256, 512, 1024}, {}},
            {"chains", "independent chains of a thread", {4, 8, 16}, {}}};
  }

 protected:
  Text text(const Point& point, const Problem& problem) const override {
    const Scheme& scheme = scheme_of(problem);
    const int threads = point.at("threads"), chains = point.at("chains");
    if (scheme.op == Issued::Lds)
      return {"kernels/ceiling/issue.cuh", fmt::format("read_shared<{}, {}>", threads, chains)};
    return {"kernels/ceiling/issue.cuh", fmt::format("issue<Issued::{}, {}, {}>", scheme.kernel, threads, chains)};
  }
  int64_t shared_bytes(const Point&, const Problem& problem) const override {
    return scheme_of(problem).op == Issued::Lds ? tile_bytes : 0;
  }
  double ops_per_warp_trip(const Problem&) const override { return 32.0 * operations_per_trip; }

  std::vector<uint32_t> operands(const Problem& problem, uint64_t seed) const override {
    const Issued op = scheme_of(problem).op;
    if (op == Issued::Lds) return random_words(tile_bytes / 4, seed);
    std::vector<uint32_t> words = random_words((2 + most_chains) * operand_threads, seed);
    for (size_t i = 0; i < words.size(); ++i) words[i] = operand(op, i / operand_threads, words[i]);
    return words;
  }

  std::vector<uint32_t> expected(const std::vector<uint32_t>& operands, const Point& point,
                                 const Problem& problem) const override {
    const Issued op = scheme_of(problem).op;
    const auto chains = static_cast<size_t>(point.at("chains"));
    const auto trips = static_cast<uint32_t>(problem.size("trips"));
    if (op == Issued::Lds) return expected_sums(operands, chains, trips);
    std::vector<uint32_t> words;
    for (size_t thread = 0; thread < operand_threads; ++thread) {
      const uint32_t c[2] = {operands[thread], operands[operand_threads + thread]};
      std::vector<uint32_t> x;
      for (size_t i = 0; i < chains; ++i) x.push_back(operands[(2 + i) * operand_threads + thread]);
      const uint32_t steps = trips * (operations_per_trip / static_cast<uint32_t>(chains));
      for (uint32_t step = 0; step < steps; ++step) {
        for (size_t i = 0; i < chains; ++i)
          x[i] = after_one(op, x[i], x[(i + 1) % chains], static_cast<int>(step % 2), c);
      }
      words.push_back(folded(x));
    }
    return words;
  }

 private:
  /// Row 0 and 1: the constants, the others: where the chains begin.
  static uint32_t operand(Issued op, size_t row, uint32_t random) {
    const float unit = static_cast<float>(random >> 8) * 0x1p-24f;
    const auto both_halves = [](float value) { return float_to_half(value) * 0x10001u; };
    switch (op) {
      case Issued::Imad:
        return row == 0 ? random << 2 | 1u : random | 1u;  // the longest period of such a generator
      case Issued::Prmt:
        return row == 0 ? 0x0321u : row == 1 ? 0x3201u : random;  // a turn, an exchange: not commuting
      case Issued::Hfma2:
        return row < 2 ? both_halves(-1.95f + 0.1f * unit) : both_halves(1.5f * unit - 0.75f);
      case Issued::Ffma:
        return std::bit_cast<uint32_t>(row < 2 ? -1.95f + 0.1f * unit : 1.5f * unit - 0.75f);
      default:
        return random;
    }
  }

  static std::vector<uint32_t> expected_sums(const std::vector<uint32_t>& tile, size_t chains, uint32_t trips) {
    std::vector<uint32_t> words;
    for (size_t lane = 0; lane < 32; ++lane) {
      std::vector<uint32_t> sums(chains);
      for (size_t pass = 0; pass < trips * (operations_per_trip / tile_loads); ++pass) {
        for (size_t i = 0; i < tile_loads; ++i) {
          const size_t at = (i * 32 + (lane + pass) % 32) * 4;
          for (size_t word = 0; word < 4; ++word) sums[i % chains] += tile[at + word];
        }
      }
      words.push_back(folded(sums));
    }
    return words;
  }
};

}  // namespace

std::unique_ptr<Family> make_issue_family() { return std::make_unique<IssueFamily>(); }

}  // namespace qoq::ceiling
