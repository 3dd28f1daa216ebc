// What a serving system may get wrong: page ids and lengths out of range, sequences without tokens, queries that are
// NaN. Every access stays inside the buffers, the damage stays with the one who did it, and is counted.
#include <dlfcn.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "kernels/attention/case.h"
#include "kernels/base/float16.h"
#include "tests/kernels/attention/decode/points.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

using attention::AttentionCase;

/// A decode kernel on the emulator whose operands a test spoils first: Bench runs only what is as it should be.
class Trial {
 public:
  Trial(const std::string& id, const std::string& text)
      : problem_(parse_problem(text)), point_(decode_point(id, problem_)) {
    const auto operands = family_.make_case(problem_, 11);
    case_ = dynamic_cast<const AttentionCase&>(*operands);
    buffers_ = family_.prepare(case_, point_);
  }
  ~Trial() {
    if (library_ != nullptr) ::dlclose(library_);
    std::filesystem::remove_all(folder_);
  }

  const AttentionCase& operands() const { return case_; }
  template <class T>
  T* values(std::string_view name) {
    for (Buffer& buffer : buffers_) {
      if (buffer.name == name) return reinterpret_cast<T*>(buffer.bytes.data());
    }
    throw std::runtime_error(fmt::format("no buffer {}", name));
  }
  /// In the pools.
  int pages() const {
    int pages = attention::spare_pages;
    for (const int length : case_.problem.lengths) pages += (length + point_.at("page") - 1) / point_.at("page");
    return pages;
  }
  int table_width() const { return (case_.problem.longest() + point_.at("page") - 1) / point_.at("page"); }

  /// Launches the plan; expects no fault. Returns what the kernel itself counted.
  int launch() {
    const Outcome outcome = launch(compile::emulator_headers());
    EXPECT_EQ(outcome.fault, "");
    return outcome.counted;
  }

  struct Outcome {
    std::string fault;  ///< that the emulator found
    int counted;        ///< by the kernel
  };
  /// The same with a kernel of other text.
  Outcome launch(const compile::Headers& headers) {
    build(headers);
    const Plan plan = family_.plan(point_, problem_, test_device());
    emulator::Memory memory;
    Addresses addresses;
    // Far enough apart that a page beyond one buffer does not happen to be another.
    constexpr size_t margin = 1 << 16;
    std::map<std::string, std::vector<std::byte>> spaces;
    const auto place = [&](const std::string& name, size_t bytes, emulator::Access access, uint8_t fill) {
      spaces[name].assign(bytes + 2 * margin, std::byte{fill});
      std::byte* at = spaces[name].data() + margin;
      addresses[name] = at;
      memory.add(name, at, bytes, access);
      return at;
    };
    for (const Buffer& buffer : buffers_) {
      const auto access = buffer.written() ? emulator::Access::Scratch : emulator::Access::ReadOnly;
      std::memcpy(place(buffer.name, buffer.bytes.size(), access, 0), buffer.bytes.data(), buffer.bytes.size());
    }
    for (const Workspace& space : plan.workspaces) {
      const bool zero = space.init != Workspace::Init::None;
      place(space.name, space.bytes, zero ? emulator::Access::ReadWrite : emulator::Access::Scratch, zero ? 0 : 0xa5);
    }
    const Arguments arguments = family_.bind(point_, problem_, test_device(), addresses);
    Outcome outcome{"", 0};
    for (size_t i = 0; i < plan.launches.size() && outcome.fault.empty(); ++i) {
      const Launch& launch = plan.launches[i];
      const auto entry = reinterpret_cast<void (*)(const void*)>(::dlsym(library_, launch.entry.c_str()));
      outcome.fault = emulator::launch(entry, arguments[i].data(), launch.grid, launch.block.x, launch.shared_bytes,
                                       memory, {emulator::Schedule::Random, emulator::AsyncLanding::Random, 3, true, 0})
                          .fault.value_or("");
    }
    if (const auto found = spaces.find("faults"); found != spaces.end())
      std::memcpy(&outcome.counted, found->second.data() + margin, sizeof(int));
    for (Buffer& buffer : buffers_)
      std::memcpy(buffer.bytes.data(), spaces.at(buffer.name).data() + margin, buffer.bytes.size());
    return outcome;
  }

  /// Whether a head's outputs, and its sum, are the reference's.
  bool is_right(int sequence, int head) {
    const size_t row = row_of(sequence, head);
    double error = 0, scale = 0;
    for (size_t d = 0; d < head_dim(); ++d) {
      const double want = case_.output(false)[row * head_dim() + d];
      const double difference = std::abs(output(sequence, head, static_cast<int>(d)) - want);
      error = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(error, difference);
      scale = std::max(scale, std::abs(want));
    }
    return error <= 1e-3 * scale;
  }
  double output(int sequence, int head, int d) {
    return half_to_float(values<uint16_t>("out")[row_of(sequence, head) * head_dim() + static_cast<size_t>(d)]);
  }
  /// How many of a head's outputs something holds for.
  int count(int sequence, int head, const std::function<bool(double)>& holds) {
    int n = 0;
    for (size_t d = 0; d < head_dim(); ++d) n += holds(output(sequence, head, static_cast<int>(d))) ? 1 : 0;
    return n;
  }
  size_t row_of(int sequence, int head) const { return static_cast<size_t>(sequence * case_.problem.q_heads + head); }
  size_t head_dim() const { return static_cast<size_t>(case_.problem.head_dim); }

 private:
  void build(const compile::Headers& headers) {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("qoqtune-checked-{}", ::getpid());
    compile::HostCompiler compiler(folder_, 1, headers);
    const Source source = family_.source(point_, problem_);
    const compile::Build build = compiler.build(std::span(&source, 1), {}, {}).front();
    if (!build.ok) throw std::runtime_error(build.log);
    library_ = ::dlopen(build.object.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) throw std::runtime_error(::dlerror());
  }

  const Family& family_ = family_named("attention/decode");
  Problem problem_;
  Point point_;
  AttentionCase case_;
  std::vector<Buffer> buffers_;
  std::filesystem::path folder_;
  void* library_ = nullptr;
};

constexpr const char* problem = "attention kv4 batch=4 heads=8/2 dh=64 ctx=70,100,33,130 lse=1";
constexpr const char* checked[] = {"p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment.checked",
                                   "p32.tl16.st3.w2.rt1.rw8.sp2.tokens.kernel.fragment.checked",
                                   "p32.tl32.st2.w2.rt1.rw8.sp2.heads.second.qserve.checked"};

class DecodeChecked : public testing::TestWithParam<const char*> {
 protected:
  void expect_others_right(Trial& trial, int spoilt) {
    for (int sequence = 0; sequence < trial.operands().problem.batch; ++sequence) {
      if (sequence == spoilt) continue;
      for (int head = 0; head < 8; ++head) EXPECT_TRUE(trial.is_right(sequence, head)) << sequence << " " << head;
    }
  }
};

TEST_P(DecodeChecked, CountsNothingWhereAllIsRight) {
  Trial trial(GetParam(), problem);
  EXPECT_EQ(trial.launch(), 0);
  expect_others_right(trial, -1);
}

TEST_P(DecodeChecked, PageIdsOutOfRange) {
  for (const int32_t id : {-1, 1 << 20, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()}) {
    SCOPED_TRACE(id);
    Trial trial(GetParam(), problem);
    trial.values<int32_t>("table")[1 * trial.table_width() + 2] = id;  // tokens 64 … 95
    EXPECT_GT(trial.launch(), 0);
    expect_others_right(trial, 1);
  }
}

TEST_P(DecodeChecked, TheFirstIdBeyondThePools) {
  Trial trial(GetParam(), problem);
  trial.values<int32_t>("table")[2 * trial.table_width()] = trial.pages();
  EXPECT_GT(trial.launch(), 0);
  expect_others_right(trial, 2);
}

TEST_P(DecodeChecked, LengthsOutOfRange) {
  for (const int32_t length : {-1, std::numeric_limits<int32_t>::min(), 161, std::numeric_limits<int32_t>::max()}) {
    SCOPED_TRACE(length);
    Trial trial(GetParam(), problem);
    ASSERT_EQ(trial.table_width() * 32, 160);
    trial.values<int32_t>("lengths")[1] = length;
    EXPECT_GT(trial.launch(), 0);
    expect_others_right(trial, 1);
    if (length > 0) continue;  // a negative length is that of a sequence without tokens
    for (int head = 0; head < 8; ++head) EXPECT_EQ(trial.count(1, head, [](double x) { return x == 0; }), 64);
  }
}

/// Without the check of page ids the kernel does leave its buffers: the tests above do look. (A wrong length alone
/// would only read other sequences' pages: the block table is never read beyond its width.)
TEST(DecodeUnchecked, IsCaught) {
  compile::Headers headers = compile::emulator_headers();
  std::string& text = headers.at("kernels/attention/decode/load.cuh");
  const std::string check = "if (id >= pages) {";
  const size_t at = text.find(check);
  ASSERT_NE(at, std::string::npos) << "the kernel's text changed";
  text.replace(at, check.size(), "if (id > pages) {");
  Trial trial(checked[0], problem);
  trial.values<int32_t>("table")[2 * trial.table_width()] = trial.pages();
  const Trial::Outcome outcome = trial.launch(headers);
  EXPECT_NE(outcome.fault.find("out of bounds"), std::string::npos) << outcome.fault;
}

INSTANTIATE_TEST_SUITE_P(Points, DecodeChecked, testing::ValuesIn(checked), [](const auto& point) {
  return std::string(point.index == 0 ? "OneSplit" : point.index == 1 ? "LastMerges" : "SecondMerges");
});

struct Plain {
  const char* name;
  const char* scheme;
  const char* id;
};

/// By its name; GoogleTest would print the bytes, pointers among them.
void PrintTo(const Plain& plain, std::ostream* out) { *out << plain.name; }

constexpr Plain plains[] = {
    {"kv4", "kv4", "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"kv4_heads", "kv4", "p32.tl32.st2.w2.rt1.rw8.sp2.heads.kernel.fragment"},
    {"kv4_qserve", "kv4", "p32.tl16.st2.w2.rt1.rw8.sp2.tokens.second.qserve"},
    {"kv8", "kv8", "p32.tl32.st2.w2.rt1.rw8.sp2.tokens.kernel.fragment"},
    {"kv16", "kv16", "p32.tl32.st2.w2.rt1.rw8.sp2.tokens.kernel.fragment"},
    {"kv16_heads", "kv16", "p32.tl16.st2.w2.rt1.rw8.sp1.heads.kernel.qserve"},
};

class DecodePlain : public testing::TestWithParam<Plain> {
 protected:
  std::string text() const {
    return fmt::format("attention {} batch=4 heads=8/2 dh=64 ctx=70,100,33,130 lse=1", GetParam().scheme);
  }
};

TEST_P(DecodePlain, ANanStaysInItsHead) {
  Trial trial(GetParam().id, text());
  trial.values<uint16_t>("q")[trial.row_of(1, 2) * trial.head_dim() + 5] = 0x7e00;
  trial.launch();
  for (int sequence = 0; sequence < 4; ++sequence) {
    for (int head = 0; head < 8; ++head) {
      if (sequence == 1 && head == 2) continue;
      EXPECT_TRUE(trial.is_right(sequence, head)) << sequence << " " << head;
    }
  }
  EXPECT_EQ(trial.count(1, 2, [](double x) { return std::isnan(x); }), 64);
  EXPECT_TRUE(std::isnan(trial.values<float>("lse")[trial.row_of(1, 2)]));
}

TEST_P(DecodePlain, ASequenceWithoutTokensIsZero) {
  Trial trial(GetParam().id, text());
  trial.values<int32_t>("lengths")[2] = 0;
  trial.launch();
  for (int head = 0; head < 8; ++head) {
    EXPECT_EQ(trial.count(2, head, [](double x) { return x == 0; }), 64);
    EXPECT_EQ(trial.values<float>("lse")[trial.row_of(2, head)], -std::numeric_limits<float>::infinity());
    for (const int sequence : {0, 1, 3}) EXPECT_TRUE(trial.is_right(sequence, head)) << sequence << " " << head;
  }
}

INSTANTIATE_TEST_SUITE_P(Points, DecodePlain, testing::ValuesIn(plains),
                         [](const auto& plain) { return std::string(plain.param.name); });

}  // namespace
}  // namespace qoq::test
