#include "kernels/attention/reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"

namespace qoq::attention {
namespace {

AttentionCase make_case(const std::string& text, uint64_t seed = 7, int threads = 0) {
  return make_attention_case(AttentionProblem::parse(Problem::parse(text)), seed, threads);
}

float to_float(Element element, uint16_t bits) {
  return element == Element::F16 ? half_to_float(bits) : bfloat16_to_float(bits);
}

/// One page's side and head.
struct View {
  std::span<const std::byte> page;
  KvShape shape;
  KvLayout layout;
  KvSide side;
  int head;

  KvRow row(int slot) const { return read_kv_row(page, shape, layout, side, head, slot); }
  double scaled(int slot, double code) const {
    const KvRow parameters = row(slot);
    return (code - half_to_float(parameters.zero)) * half_to_float(parameters.scale);
  }
};

using Matrix = std::vector<std::vector<double>>;  ///< [token][channel]

Matrix dequantised(const View& view, Element element) {
  Matrix x;
  for (int slot = 0; slot < view.shape.page; ++slot) {
    x.emplace_back();
    for (const uint16_t code : view.row(slot).codes) {
      x.back().push_back(view.shape.bits == 16 ? to_float(element, code) : view.scaled(slot, code));
    }
  }
  return x;
}

/// What a kernel without dequantisation sees, lane by lane: each half of a word as an fp16.
Matrix undequantised(const View& view) {
  const int head_dim = view.shape.head_dim, bits = view.shape.bits;
  Matrix x(static_cast<size_t>(view.shape.page), std::vector<double>(static_cast<size_t>(head_dim)));
  const auto set = [&](int slot, int channel, double value) {
    x[static_cast<size_t>(slot)][static_cast<size_t>(channel)] = view.scaled(slot, value);
  };
  for (int at = 0; at < view.shape.page * 32 * head_dim / 256; ++at) {  // word j of a lane of a unit
    const int unit = at / (2 * head_dim), lane = at / (head_dim / 16) % 32, j = at % (head_dim / 16);
    const int g = lane / 4, t = lane % 4, first = 16 * unit;
    for (int half = 0; half < 2; ++half) {  // of 16 bits: tokens g, g+8 or channels d, d+1
      const int word = bits == 4 ? j : 2 * j + half;
      const double divisor = bits == 4 && half == 1 ? 16 : 1;
      std::array<uint16_t, 2> w;
      std::memcpy(w.data(),
                  view.page.data() + static_cast<size_t>(view.head) * view.shape.head_bytes() +
                      static_cast<size_t>(first * head_dim * bits / 8 + word / 4 * 512 + lane * 16 + word % 4 * 4),
                  4);
      for (int i = 0; i < 4; ++i) {
        const double value = half_to_float(w[static_cast<size_t>(i % 2)]) * 0x1p24 / divisor;
        if (view.side == KvSide::Key) {
          set(first + g + 8 * half, 16 * j + 4 * t + i, value);
        } else {
          set(first + 2 * t + i / 2 * 8 + i % 2, head_dim / 8 * g + 2 * j + half, value);
        }
      }
    }
  }
  return x;
}

/// Gathers a sequence's keys or values of one head from its pages.
Matrix gather(const AttentionCase& c, const PagedCache& cache, KvLayout layout, KvSide side, int page, int sequence,
              int head, bool ablated) {
  const KvShape shape = c.problem.shape(page);
  Matrix x;
  for (int part = 0; static_cast<int>(x.size()) < c.problem.lengths[static_cast<size_t>(sequence)]; ++part) {
    const auto id = static_cast<size_t>(cache.table[static_cast<size_t>(sequence * cache.table_width + part)]);
    const std::vector<std::byte>& pool = side == KvSide::Key ? cache.k : cache.v;
    const auto first = pool.begin() + static_cast<std::ptrdiff_t>(id * shape.page_bytes());
    std::vector<std::byte> bytes(first, first + static_cast<std::ptrdiff_t>(shape.page_bytes()));
    if (ablated) ablate_codes(bytes, shape);
    const View view{bytes, shape, layout, side, head};
    const Matrix here = ablated ? undequantised(view) : dequantised(view, c.problem.element);
    x.insert(x.end(), here.begin(), here.end());
  }
  return x;
}

/// One query row, straight from the definition.
std::pair<std::vector<double>, double> attend(const AttentionProblem& p, const uint16_t* q, const Matrix& k,
                                              const Matrix& v, int last) {
  std::vector<double> weights;
  std::vector<double> out(static_cast<size_t>(p.head_dim));
  const int first = p.window == 0 ? 0 : std::max(0, last - p.window + 1);
  for (int j = first; j <= last; ++j) {
    double logit = 0;
    for (size_t d = 0; d < out.size(); ++d) logit += to_float(p.element, q[d]) * k[static_cast<size_t>(j)][d];
    logit *= std::pow(p.head_dim, -0.5);
    if (p.cap != 0) logit = p.cap * std::tanh(logit / p.cap);
    weights.push_back(std::exp(logit));
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (int j = first; j <= last; ++j) {
    for (size_t d = 0; d < out.size(); ++d) {
      out[d] += weights[static_cast<size_t>(j - first)] / sum * v[static_cast<size_t>(j)][d];
    }
  }
  return {out, std::log(sum)};
}

void expect_naive(const AttentionCase& c, int page, KvLayout layout, bool ablated) {
  const AttentionProblem& p = c.problem;
  const PagedCache cache = page_cache(c, page, layout);
  const std::vector<double>&output = c.output(ablated), &log_sum = c.log_sum(ablated);
  ASSERT_EQ(output.size(), c.q.size());
  ASSERT_EQ(log_sum.size(), c.q.size() / static_cast<size_t>(p.head_dim));
  for (int sequence = 0; sequence < p.batch; ++sequence) {
    for (int head = 0; head < p.q_heads; ++head) {
      const Matrix k = gather(c, cache, layout, KvSide::Key, page, sequence, head / p.group(), ablated);
      const Matrix v = gather(c, cache, layout, KvSide::Value, page, sequence, head / p.group(), ablated);
      for (int token = 0; token < p.q_len; ++token) {
        const auto row = static_cast<size_t>((sequence * p.q_len + token) * p.q_heads + head);
        const size_t first = row * static_cast<size_t>(p.head_dim);
        const int last = p.lengths[static_cast<size_t>(sequence)] - p.q_len + token;
        const auto [want, want_lse] = attend(p, c.q.data() + first, k, v, last);
        EXPECT_NEAR(log_sum[row], want_lse, 1e-9);
        for (size_t d = 0; d < want.size(); ++d) ASSERT_NEAR(output[first + d], want[d], 1e-9) << "channel " << d;
      }
    }
  }
}

constexpr const char* tiny_cases[] = {
    "batch=1 heads=1/1 dh=64 ctx=1",
    "batch=3 heads=8/2 dh=128 ctx=1,65,130 lse=1",
    "batch=2 heads=4/1 dh=64 ctx=3,81 q=3 lse=1",
    "batch=2 heads=4/4 dh=64 ctx=40,200 window=17",
    "batch=2 heads=2/1 dh=256 ctx=9,70 q=3 window=5 cap=2 out=bf16 lse=1",
    "batch=1 heads=16/1 dh=64 ctx=100 q=8 cap=30",
};

TEST(AttentionReference, EqualsTheDefinition) {
  for (const char* scheme : {"kv4", "kv8", "kv16"}) {
    for (const char* fields : tiny_cases) {
      SCOPED_TRACE(std::string(scheme) + " " + fields);
      const AttentionCase c = make_case(std::string("attention ") + scheme + " " + fields);
      expect_naive(c, 16, KvLayout::QServe, false);
      expect_naive(c, 64, KvLayout::Fragment, false);
    }
  }
}

TEST(AttentionReference, AblatedEqualsTheBytesAsTheyLie) {
  for (const char* scheme : {"kv4", "kv8"}) {
    for (const char* fields : tiny_cases) {
      SCOPED_TRACE(std::string(scheme) + " " + fields);
      const AttentionCase c = make_case(std::string("attention ") + scheme + " " + fields);
      expect_naive(c, 32, KvLayout::Fragment, true);
    }
  }
  EXPECT_THROW(make_case("attention kv16 batch=1 heads=1/1 dh=64 ctx=1").output(true), Error);
}

TEST(AttentionReference, ThreadsDoNotMatter) {
  const char* text = "attention kv4 batch=5 heads=8/2 dh=64 ctx=100,7,300,64,1 lse=1";
  const AttentionCase one = make_case(text, 3, 1);
  std::vector<double> output, log_sum;
  compute_reference(one, false, output, log_sum, 1);
  for (const int threads : {2, 7}) {
    const AttentionCase c = make_case(text, 3, threads);
    EXPECT_EQ(c.q, one.q);
    EXPECT_EQ(c.k_codes, one.k_codes);
    EXPECT_EQ(c.v_codes, one.v_codes);
    EXPECT_EQ(c.k_scale, one.k_scale);
    EXPECT_EQ(c.v_zero, one.v_zero);
    std::vector<double> again, log_sum_again;
    compute_reference(c, false, again, log_sum_again, threads);
    EXPECT_EQ(again, output);
    EXPECT_EQ(log_sum_again, log_sum);
  }
  EXPECT_NE(make_case(text, 4).q, one.q);
}

TEST(AttentionCase, SoftmaxIsNeitherFlatNorOneHot) {
  for (const char* scheme : {"kv4", "kv8", "kv16"}) {
    const AttentionCase c = make_case(std::string("attention ") + scheme + " batch=4 heads=16/4 dh=128 ctx=512");
    const AttentionProblem& p = c.problem;
    const PagedCache cache = page_cache(c, 64, KvLayout::QServe);
    double effective = 0;  // tokens that share the weight: 1 / Σ weight², their logarithm's mean
    for (int sequence = 0; sequence < p.batch; ++sequence) {
      for (int head = 0; head < p.q_heads; ++head) {
        const Matrix k = gather(c, cache, KvLayout::QServe, KvSide::Key, 64, sequence, head / p.group(), false);
        const size_t row = static_cast<size_t>(sequence * p.q_heads + head);
        double squares = 0;
        for (const std::vector<double>& key : k) {
          double logit = 0;
          for (size_t d = 0; d < key.size(); ++d) logit += key[d] * half_to_float(c.q[row * key.size() + d]);
          squares += std::exp(2 * (logit / std::sqrt(128.0) - c.log_sum(false)[row]));
        }
        effective += std::log(1 / squares) / (p.batch * p.q_heads);
      }
    }
    EXPECT_GT(effective, std::log(4.0)) << scheme;
    EXPECT_LT(effective, std::log(256.0)) << scheme;
  }
}

TEST(PagedCache, AbsentIsPoisoned) {
  const AttentionCase c = make_case("attention kv4 batch=3 heads=4/2 dh=64 ctx=33,16,1");
  for (const KvLayout layout : {KvLayout::QServe, KvLayout::Fragment}) {
    const PagedCache cache = page_cache(c, 16, layout);
    const KvShape shape = c.problem.shape(16);
    EXPECT_EQ(cache.table_width, 3);
    EXPECT_EQ(cache.pages, 5 + 3);
    EXPECT_EQ(cache.k.size(), 8 * shape.page_bytes());
    ASSERT_EQ(cache.table.size(), 9u);
    std::set<int32_t> used;
    for (size_t i = 0; i < 9; ++i) {
      const bool absent = i == 4 || i == 5 || i == 7 || i == 8;
      EXPECT_EQ(cache.table[i] == -1, absent) << i;
      if (absent) continue;
      EXPECT_LT(cache.table[i], cache.pages);
      EXPECT_TRUE(used.insert(cache.table[i]).second) << "page " << cache.table[i] << " is there twice";
    }
    for (int32_t id = 0; id < cache.pages; ++id) {
      const auto bytes = std::span(cache.v).subspan(static_cast<size_t>(id) * shape.page_bytes(), shape.page_bytes());
      const bool untouched = std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0xff}; });
      EXPECT_EQ(untouched, !used.contains(id)) << id;
    }
    // Token 32 of the first sequence is the only one of its page.
    const auto last = std::span(cache.k).subspan(static_cast<size_t>(cache.table[2]) * shape.page_bytes());
    EXPECT_EQ(read_kv_row(last, shape, layout, KvSide::Key, 1, 0).scale, c.k_scale[32 * 2 + 1]);
    const KvRow nothing{std::vector<uint16_t>(64, 15), 0xffff, 0xffff};
    for (int slot = 1; slot < 16; ++slot) EXPECT_EQ(read_kv_row(last, shape, layout, KvSide::Key, 1, slot), nothing);
  }
}

/// The reference's outputs as a kernel would give them.
struct Outputs {
  std::vector<uint16_t> out;
  std::vector<float> lse;

  explicit Outputs(const AttentionCase& c, bool ablated = false) : element_(c.problem.element) {
    for (const double value : c.output(ablated)) out.push_back(rounded(value));
    for (const double value : c.log_sum(ablated)) lse.push_back(static_cast<float>(value));
  }
  uint16_t rounded(double value) const {
    const auto near = static_cast<float>(value);
    return element_ == Element::F16 ? float_to_half(near) : float_to_bfloat16(near);
  }
  Check check(const AttentionCase& c, bool ablated = false) const {
    return compare(c, ablated, std::as_bytes(std::span(out)), std::as_bytes(std::span(lse)));
  }

 private:
  Element element_;
};

TEST(AttentionCompare, RoundedReferencePasses) {
  for (const char* fields : {"batch=2 heads=4/2 dh=64 ctx=50,9 q=2 lse=1", "batch=2 heads=4/2 dh=64 ctx=50 out=bf16"}) {
    const AttentionCase c = make_case(std::string("attention kv4 ") + fields);
    for (const bool ablated : {false, true}) {
      const Check check = Outputs(c, ablated).check(c, ablated);
      EXPECT_TRUE(check.pass) << check.message;
      EXPECT_EQ(check.message, "");
      EXPECT_GT(check.max_error, 0);
      EXPECT_LT(check.max_error, c.problem.element == Element::F16 ? 6e-4 : 5e-3);
    }
    EXPECT_FALSE(Outputs(c, true).check(c, false).pass);
  }
}

TEST(AttentionCompare, TwiceTheToleranceFails) {
  for (const bool bfloat : {false, true}) {
    const AttentionCase c =
        make_case(std::string("attention kv8 batch=2 heads=4/2 dh=64 ctx=50,9 q=2") + (bfloat ? " out=bf16" : ""));
    Outputs outputs(c);
    // Sequence 1, token 1, head 2, channel 5; its scale is the largest of the head's two tokens.
    const std::vector<double>& want = c.output(false);
    double scale = 0;
    for (const size_t row : {8 + 2, 12 + 2}) {
      for (size_t d = 0; d < 64; ++d) scale = std::max(scale, std::abs(want[row * 64 + d]));
    }
    const size_t at = (12 + 2) * 64 + 5;
    // Towards zero, where the format is finest.
    const double error = (bfloat ? 16e-3 : 2e-3) * scale;
    outputs.out[at] = outputs.rounded(want[at] > 0 ? want[at] - error : want[at] + error);
    const Check check = outputs.check(c);
    EXPECT_FALSE(check.pass);
    EXPECT_NEAR(check.max_error, bfloat ? 16e-3 : 2e-3, bfloat ? 4e-3 : 5e-4);
    EXPECT_NE(check.message.find("1 of 1024 outputs are wrong, worst sequence 1 token 1 head 2 channel 5: "),
              std::string::npos)
        << check.message;
  }
}

TEST(AttentionCompare, NanAndInfinityFail) {
  const AttentionCase c = make_case("attention kv4 batch=2 heads=4/2 dh=64 ctx=50,9 lse=1");
  for (const uint16_t bad : {0x7fff, 0xffff, 0x7c00}) {
    Outputs outputs(c);
    outputs.out.back() = bad;
    const Check check = outputs.check(c);
    EXPECT_FALSE(check.pass);
    EXPECT_NE(check.message.find("worst sequence 1 token 0 head 3 channel 63"), std::string::npos) << check.message;
  }
  for (const float bad : {NAN, HUGE_VALF}) {
    Outputs outputs(c);
    outputs.lse[1] = bad;
    EXPECT_FALSE(outputs.check(c).pass);
  }
}

TEST(AttentionCompare, LogSumsAndSizesCount) {
  const AttentionCase c = make_case("attention kv4 batch=2 heads=4/2 dh=64 ctx=50,9 lse=1");
  Outputs outputs(c);
  outputs.lse[5] += 2e-3f * std::max(1.0f, std::abs(outputs.lse[5]));
  const Check check = outputs.check(c);
  EXPECT_FALSE(check.pass);
  EXPECT_NE(check.message.find("1 of 8 log-sums are wrong, worst sequence 1 token 0 head 1"), std::string::npos)
      << check.message;
  outputs = Outputs(c);
  outputs.lse.pop_back();
  EXPECT_FALSE(outputs.check(c).pass);
  outputs = Outputs(c);
  outputs.out.pop_back();
  EXPECT_FALSE(outputs.check(c).pass);
  // Without lse= they are no output.
  const AttentionCase without = make_case("attention kv4 batch=2 heads=4/2 dh=64 ctx=50,9");
  outputs = Outputs(without);
  outputs.lse.clear();
  EXPECT_TRUE(outputs.check(without).pass);
}

}  // namespace
}  // namespace qoq::attention
