#include "tests/kernels/quantize/meeting/decoder_step.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/attention/append/family.h"
#include "kernels/attention/append/reference.h"
#include "kernels/base/float16.h"
#include "kernels/gemm/reference.h"
#include "tests/kernels/attention/decode/points.h"

namespace qoq::test {

namespace {

using attention::AppendCase;
using attention::AttentionCase;
using Role = Buffer::Role;

const Family& append_family() {
  static const auto family = attention::make_append_family();
  return *family;
}

const emulator::Options strict{emulator::Schedule::Random, emulator::AsyncLanding::Random, 7, true, 8};

/// x·cos − y·sin and y·cos + x·sin of the pairs (i, i + Dh/2), each operation rounded to fp32.
void rotate(std::span<float> row, const float* cosine, const float* sine) {
  const size_t half = row.size() / 2;
  for (size_t i = 0; i < half; ++i) {
    const float x = row[i], y = row[i + half];
    row[i] = x * cosine[i] - y * sine[i];
    row[i + half] = y * cosine[i] + x * sine[i];
  }
}

std::vector<uint16_t> columns(const llama::Matrix& x, int first, int count) {
  std::vector<uint16_t> values;
  for (int r = 0; r < x.rows; ++r) {
    for (int c = first; c < first + count; ++c) values.push_back(float_to_half(x.row(r)[c]));
  }
  return values;
}

}  // namespace

void rope_angles(const llama::Config& config, int count, std::vector<float>& cosine, std::vector<float>& sine) {
  const int half = config.head_dim / 2;
  for (int position = 0; position < count; ++position) {
    for (int i = 0; i < half; ++i) {
      const double angle = position * std::pow(config.rope_theta, -static_cast<double>(i) / half);
      cosine.push_back(static_cast<float>(std::cos(angle)));
      sine.push_back(static_cast<float>(std::sin(angle)));
    }
  }
}

DecoderStep::DecoderStep(const QuantizedLayer& layer, const PackedFile& file, const StepKernels& kernels)
    : layer_(layer), file_(file), kernels_(kernels), shape_{layer.config.kv_heads, layer.config.head_dim, page, 4} {}

llama::Matrix DecoderStep::multiply(const std::string& linear, const llama::Matrix& x) {
  const PackedGemm gemm(file_, linear, x, "fp16");
  Point point = mma_point(16, 64, 128, 16, 32, 3);
  point["dequant"] = static_cast<int>(kernels_.dequant);
  point["layout"] =
      static_cast<int>(kernels_.weights == PackedLayout::Fragment ? gemm::Layout::Fragment : gemm::Layout::QServe);
  const Bench::Job job{point, gemm.problem()};
  bench_.build({job});
  std::vector<Buffer> buffers = gemm.operands();
  const emulator::Result result = bench_.run(job, buffers, strict);
  EXPECT_EQ(result.fault.value_or(""), "") << linear;
  const std::vector<std::byte>& out = buffer_named(buffers, "out").bytes;
  const Check check = gemm::compare(gemm.reference_case(), out, gemm.expected());
  EXPECT_TRUE(check.pass) << linear << ": " << check.message;
  llama::Matrix y(x.rows, gemm.reference_case().problem.n);
  y.values = halves(out);
  return y;
}

void DecoderStep::make_pages(const std::vector<int>& longest) {
  const auto pages_of = [](int length) { return (length + page - 1) / page; };
  pools_.width = pages_of(*std::ranges::max_element(longest));
  int pages = attention::spare_pages;
  for (const int length : longest) pages += pages_of(length);
  int next = pages;  // dealt out from the last on: a page's number is not its place in a sequence
  for (const int length : longest) {
    for (int i = 0; i < pools_.width; ++i) pools_.table.push_back(i < pages_of(length) ? --next : -1);
  }
  pools_.k.assign(static_cast<size_t>(pages) * shape_.page_bytes(), std::byte{0xff});  // NaN to whoever reads it
  pools_.v = pools_.k;
  lengths_.assign(longest.size(), 0);
}

std::vector<int32_t> DecoderStep::table_rows(const std::vector<int>& sequences, int width) const {
  std::vector<int32_t> rows;
  for (const int sequence : sequences) {
    for (int i = 0; i < width; ++i) rows.push_back(pools_.table[static_cast<size_t>(sequence * pools_.width + i)]);
  }
  return rows;
}

void DecoderStep::append(const llama::Matrix& qkv, const std::vector<int>& sequences, const std::vector<int>& lengths,
                         int tokens) {
  const llama::Config& config = layer_.config;
  const Problem problem = append_family().canonical(
      Problem::parse(fmt::format("append kv4 batch={} heads={} dh={} ctx={} tokens={} rope=1", sequences.size(),
                                 config.kv_heads, config.head_dim, fmt::join(lengths, ","), tokens)));
  AppendCase c;
  c.problem = attention::CacheProblem::parse(problem);
  c.k = columns(qkv, config.q_width(), config.kv_width());
  c.v = columns(qkv, config.q_width() + config.kv_width(), config.kv_width());
  rope_angles(config, c.problem.longest(), c.cosine, c.sine);
  const int width = (c.problem.longest() + page - 1) / page;
  attention::PagePools expected = pools_;
  expected.width = width;
  expected.table = table_rows(sequences, width);

  const Bench::Job job{
      {{"warps", 2}, {"layout", static_cast<int>(kernels_.pages)}, {"page", page}}, problem, &append_family()};
  bench_.build({job});
  std::vector<Buffer> buffers{make_buffer("k", Role::Input, c.k),
                              make_buffer("v", Role::Input, c.v),
                              make_buffer("lengths", Role::Input, lengths),
                              make_buffer("table", Role::Input, expected.table),
                              make_buffer("cosine", Role::Input, c.cosine),
                              make_buffer("sine", Role::Input, c.sine),
                              {"k_pool", Role::InOut, pools_.k},
                              {"v_pool", Role::InOut, pools_.v}};
  const emulator::Result result = bench_.run(job, buffers, strict);
  EXPECT_EQ(result.fault.value_or(""), "");
  pools_.k = buffer_named(buffers, "k_pool").bytes;
  pools_.v = buffer_named(buffers, "v_pool").bytes;
  attention::append_rows(c, page, kernels_.pages, expected);
  EXPECT_TRUE(pools_.k == expected.k) << "a byte of the key pages";
  EXPECT_TRUE(pools_.v == expected.v) << "a byte of the value pages";
  for (size_t i = 0; i < sequences.size(); ++i) lengths_[static_cast<size_t>(sequences[i])] = lengths[i];
  compare_rows(c, sequences);
}

/// The same said without the append's own reference: each row in the pages is quantize_kv of the rotated row.
void DecoderStep::compare_rows(const AppendCase& c, const std::vector<int>& sequences) const {
  const auto dim = static_cast<size_t>(shape_.head_dim);
  const int tokens = c.problem.tokens;
  for (size_t i = 0; i < sequences.size(); ++i) {
    for (int token = 0; token < tokens; ++token) {
      const int position = c.problem.lengths[i] - tokens + token;
      const auto id =
          static_cast<size_t>(pools_.table[static_cast<size_t>(sequences[i] * pools_.width + position / page)]);
      for (int head = 0; head < shape_.kv_heads; ++head) {
        const size_t row =
            (i * static_cast<size_t>(tokens) + static_cast<size_t>(token)) * static_cast<size_t>(shape_.kv_heads) +
            static_cast<size_t>(head);
        for (const KvSide side : {KvSide::Key, KvSide::Value}) {
          const std::vector<uint16_t>& from = side == KvSide::Key ? c.k : c.v;
          std::vector<float> x;
          for (size_t d = 0; d < dim; ++d) x.push_back(half_to_float(from[row * dim + d]));
          const size_t angle = static_cast<size_t>(position) * dim / 2;
          if (side == KvSide::Key) rotate(x, c.cosine.data() + angle, c.sine.data() + angle);
          const std::vector<std::byte>& pool = side == KvSide::Key ? pools_.k : pools_.v;
          const auto one = std::span(pool).subspan(id * shape_.page_bytes(), shape_.page_bytes());
          EXPECT_TRUE(read_kv_row(one, shape_, kernels_.pages, side, head, position % page) == quantize_kv(x, 4))
              << "sequence " << sequences[i] << ", position " << position << ", head " << head;
        }
      }
    }
  }
}

AttentionCase DecoderStep::case_of_pages(const Problem& problem, std::vector<uint16_t> queries) const {
  AttentionCase c;
  c.problem = attention::AttentionProblem::parse(problem);
  c.q = std::move(queries);
  int64_t first = 0;
  for (size_t sequence = 0; sequence < lengths_.size(); ++sequence) {
    c.first_token.push_back(first);
    first += lengths_[sequence];
    for (int position = 0; position < lengths_[sequence]; ++position) {
      const auto id = static_cast<size_t>(
          pools_.table[sequence * static_cast<size_t>(pools_.width) + static_cast<size_t>(position / page)]);
      for (int head = 0; head < shape_.kv_heads; ++head) {
        const auto take = [&](const std::vector<std::byte>& pool, KvSide side, std::vector<uint16_t>& codes,
                              std::vector<uint16_t>& scale, std::vector<uint16_t>& zero) {
          const KvRow row = read_kv_row(std::span(pool).subspan(id * shape_.page_bytes(), shape_.page_bytes()), shape_,
                                        kernels_.pages, side, head, position % page);
          codes.insert(codes.end(), row.codes.begin(), row.codes.end());
          scale.push_back(row.scale);
          zero.push_back(row.zero);
        };
        take(pools_.k, KvSide::Key, c.k_codes, c.k_scale, c.k_zero);
        take(pools_.v, KvSide::Value, c.v_codes, c.v_scale, c.v_zero);
      }
    }
  }
  return c;
}

llama::Matrix DecoderStep::attend(const llama::Matrix& qkv) {
  const llama::Config& config = layer_.config;
  const Problem problem =
      parse_problem(fmt::format("attention kv4 batch={} heads={}/{} dh={} ctx={}", lengths_.size(), config.heads,
                                config.kv_heads, config.head_dim, fmt::join(lengths_, ",")));
  std::vector<float> cosine, sine;
  rope_angles(config, *std::ranges::max_element(lengths_), cosine, sine);
  std::vector<uint16_t> queries;
  for (int r = 0; r < qkv.rows; ++r) {
    const auto angle = static_cast<size_t>((lengths_[static_cast<size_t>(r)] - 1) * config.head_dim / 2);
    for (int head = 0; head < config.heads; ++head) {
      const float* from = qkv.row(r) + head * config.head_dim;
      std::vector<float> q(from, from + config.head_dim);
      rotate(q, cosine.data() + angle, sine.data() + angle);
      for (const float value : q) queries.push_back(float_to_half(value));
    }
  }
  attention_ = case_of_pages(problem, queries);
  attention_job_ = {decode_point(kernels_.decode, problem), problem, &family_named("attention/decode")};
  bench_.build({*attention_job_});
  attention_buffers_ = {make_buffer("q", Role::Input, attention_.q),
                        {"k", Role::Weights, pools_.k},
                        {"v", Role::Weights, pools_.v},
                        make_buffer("table", Role::Input, pools_.table),
                        make_buffer("lengths", Role::Input, lengths_),
                        {"out", Role::Output, std::vector<std::byte>(attention_.q.size() * 2)}};
  const emulator::Result result = bench_.run(*attention_job_, attention_buffers_, strict);
  EXPECT_EQ(result.fault.value_or(""), "");
  const Check check = attention_job_->family->check(attention_, attention_job_->point, attention_buffers_);
  EXPECT_TRUE(check.pass) << check.message;
  fmt::print("{}: attention {:.1e} of the largest output from the fp64 reference\n", kernels_.name, check.max_error);
  llama::Matrix out(qkv.rows, config.q_width());
  out.values = halves(buffer_named(attention_buffers_, "out").bytes);
  return out;
}

}  // namespace qoq::test
