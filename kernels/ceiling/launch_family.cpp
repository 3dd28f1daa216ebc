#include "kernels/ceiling/launch_family.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/ceiling/ceiling_family.h"
#include "kernels/ceiling/launch.cuh"

namespace qoq::ceiling {

namespace {

class LaunchFamily final : public CeilingFamily {
 public:
  std::string_view name() const override { return "ceiling/launch"; }
  std::vector<std::string> schemes() const override { return {"launch"}; }
  std::vector<Parameter> parameters() const override { return {{"threads", "threads of a CTA", {32, 128, 256}, {}}}; }
  std::optional<std::string> unsupported(const Point&, const Problem&, const Device&) const override {
    return std::nullopt;
  }
  double size(const Problem& problem) const override { return static_cast<double>(problem.size("ctas")); }
  std::unique_ptr<Case> make_case(const Problem& problem, uint64_t) const override {
    auto words = std::make_unique<Words>();
    words->problem = problem;
    return words;
  }
  std::vector<Buffer> prepare(const Case& c, const Point&) const override {
    return {results(static_cast<size_t>(dynamic_cast<const Words&>(c).problem.size("ctas")))};
  }
  std::string operand_key(const Point&, const Problem&) const override { return ""; }
  Check check(const Case&, const Point&, const std::vector<Buffer>& buffers) const override {
    const std::vector<uint32_t> words = written_words(buffers);
    const auto odd = std::find_if(words.begin(), words.end(), [](uint32_t word) { return word != launch_mark; });
    if (odd == words.end()) return {true, 0, ""};
    return {false, 1, fmt::format("CTA {} left no mark", odd - words.begin())};
  }
  Problem reduced(const Point&, const Problem& problem) const override { return problem.with("ctas", "3"); }
  Work work(const Problem& problem) const override {
    Work work;
    work.arithmetic = "fp16";
    work.write_bytes = static_cast<double>(problem.size("ctas") * 4);
    return work;
  }
  Traffic traffic(const Point&, const Problem& problem, const Device&) const override {
    Traffic traffic;
    traffic.dram_write_bytes = static_cast<double>(problem.size("ctas") * 4);
    return traffic;
  }

 protected:
  std::vector<Field> fields() const override { return {{"ctas", 1, 65535}}; }
  Text text(const Point& point, const Problem&) const override {
    return {"kernels/ceiling/launch.cuh", fmt::format("be_launched<{}>", point.at("threads"))};
  }
  int64_t ctas(const Point&, const Problem& problem) const override { return problem.size("ctas"); }
};

}  // namespace

std::unique_ptr<Family> make_launch_family() { return std::make_unique<LaunchFamily>(); }

}  // namespace qoq::ceiling
