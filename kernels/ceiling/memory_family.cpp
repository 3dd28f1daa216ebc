#include "kernels/ceiling/memory_family.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <numeric>

#include "kernels/ceiling/ceiling_family.h"

namespace qoq::ceiling {

namespace {

enum class Kind { Read, Copy, L2 };
constexpr std::string_view schemes_of[] = {"read", "copy", "l2"};
constexpr std::string_view kernels_of[] = {"read_memory", "copy_memory", "read_l2"};

int64_t bytes_of(const Problem& problem) { return problem.size("mb") << 20; }

struct Shape {
  int threads, unroll, trips;
  static Shape of(const Point& point) { return {point.at("threads"), point.at("unroll"), point.at("trips")}; }
  int64_t piece_bytes() const { return int64_t{16} * threads * unroll; }
  int64_t cta_bytes() const { return piece_bytes() * trips; }
};

class MemoryFamily final : public CeilingFamily {
 public:
  explicit MemoryFamily(Kind kind) : kind_(kind), name_("ceiling/" + std::string(scheme())) {}

  std::string_view name() const override { return name_; }
  std::vector<std::string> schemes() const override { return {std::string(scheme())}; }
  std::vector<Parameter> parameters() const override {
    return {{"threads", "threads of a CTA", {128, 256, 512}, {}},
            {"unroll", "16-byte loads of a thread in flight", {2, 4, 8, 16}, {}},
            {"trips", "times that a thread does that", {1, 4, 16}, {}}};
  }

  std::optional<std::string> unsupported(const Point& point, const Problem& problem, const Device&) const override {
    const Shape shape = Shape::of(point);
    if (moved_bytes(problem) % shape.cta_bytes() != 0) return "the buffer is no multiple of what one CTA reads";
    if (kind_ == Kind::L2 && !std::has_single_bit(static_cast<uint64_t>(bytes_of(problem))))
      return "mb must be a power of two";
    return std::nullopt;
  }
  double size(const Problem& problem) const override { return static_cast<double>(moved_bytes(problem)); }

  std::unique_ptr<Case> make_case(const Problem& problem, uint64_t seed) const override {
    auto words = std::make_unique<Words>();
    words->problem = problem;
    words->values = random_words(static_cast<size_t>(bytes_of(problem)) / 4, seed);
    return words;
  }
  std::vector<Buffer> prepare(const Case& c, const Point& point) const override {
    const Words& words = dynamic_cast<const Words&>(c);
    const int64_t warps = ctas(point, words.problem) * Shape::of(point).threads / 32;
    return {make_buffer("from", Buffer::Role::Weights, words.values),
            results(kind_ == Kind::Copy ? words.values.size() : static_cast<size_t>(warps))};
  }
  std::string operand_key(const Point& point, const Problem&) const override {
    return kind_ == Kind::Copy ? "" : fmt::format("{}", Shape::of(point).unroll * Shape::of(point).trips);
  }

  /// All warps' sums together are the sum of what was to be read, whoever read what; a copy is equal in every byte.
  Check check(const Case& c, const Point&, const std::vector<Buffer>& buffers) const override {
    const Words& words = dynamic_cast<const Words&>(c);
    const std::vector<uint32_t> got = written_words(buffers);
    if (kind_ == Kind::Copy) return check_copy(words.values, got);
    const uint32_t want = std::accumulate(words.values.begin(), words.values.end(), 0u) *
                          static_cast<uint32_t>(moved_bytes(words.problem) / bytes_of(words.problem));
    const uint32_t sum = std::accumulate(got.begin(), got.end(), 0u);
    if (sum == want) return {true, 0, ""};
    return {false, 1, fmt::format("the words' sum is {:08x}, read were {:08x}", want, sum)};
  }
  Problem reduced(const Point& point, const Problem& problem) const override {
    if (kind_ != Kind::L2) return problem.with("mb", "4");
    // At least two CTAs, and every piece twice.
    const int64_t reads = std::max<int64_t>(2, 2 * Shape::of(point).cta_bytes() >> 20);
    return problem.with("mb", "1").with("reads", std::to_string(reads));
  }

  Work work(const Problem& problem) const override {
    Work work;
    work.arithmetic = "fp16";
    work.read_bytes = static_cast<double>(bytes_of(problem));
    work.write_bytes = kind_ == Kind::Copy ? work.read_bytes : 0;
    return work;
  }
  Traffic traffic(const Point& point, const Problem& problem, const Device&) const override {
    Traffic traffic;
    traffic.dram_read_bytes = static_cast<double>(bytes_of(problem));
    traffic.dram_write_bytes = kind_ == Kind::Copy ? traffic.dram_read_bytes : 0;
    traffic.l2_read_bytes = static_cast<double>(moved_bytes(problem));
    traffic.pipeline_stages = 1 + Shape::of(point).unroll;
    return traffic;
  }

 protected:
  std::vector<Field> fields() const override {
    if (kind_ == Kind::L2) return {{"mb", 1, 64}, {"reads", 1, 4096}};
    return {{"mb", 1, 8192}};
  }
  Text text(const Point& point, const Problem&) const override {
    const Shape shape = Shape::of(point);
    return {"kernels/ceiling/memory.cuh", fmt::format("{}<{}, {}, {}>", kernels_of[static_cast<size_t>(kind_)],
                                                      shape.threads, shape.unroll, shape.trips)};
  }
  int64_t ctas(const Point& point, const Problem& problem) const override {
    return moved_bytes(problem) / Shape::of(point).cta_bytes();
  }
  uint32_t count(const Point& point, const Problem& problem) const override {
    return static_cast<uint32_t>(bytes_of(problem) / Shape::of(point).piece_bytes());
  }

 private:
  std::string_view scheme() const { return schemes_of[static_cast<size_t>(kind_)]; }
  /// Read by all CTAs together.
  int64_t moved_bytes(const Problem& problem) const {
    return bytes_of(problem) * (kind_ == Kind::L2 ? problem.size("reads") : 1);
  }
  static Check check_copy(const std::vector<uint32_t>& want, const std::vector<uint32_t>& got) {
    for (size_t i = 0; i < want.size(); ++i) {
      if (i >= got.size() || got[i] != want[i])
        return {false, 1, fmt::format("word {} is not what was to be copied, {:08x}", i, want[i])};
    }
    return {true, 0, ""};
  }

  Kind kind_;
  std::string name_;
};

}  // namespace

std::unique_ptr<Family> make_read_family() { return std::make_unique<MemoryFamily>(Kind::Read); }
std::unique_ptr<Family> make_copy_family() { return std::make_unique<MemoryFamily>(Kind::Copy); }
std::unique_ptr<Family> make_l2_family() { return std::make_unique<MemoryFamily>(Kind::L2); }

}  // namespace qoq::ceiling
