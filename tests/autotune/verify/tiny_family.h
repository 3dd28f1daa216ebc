#pragma once
#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <random>

#include "kernels/family.h"

namespace qoq {

/// The smallest whole family: y[i] = 3 · x[i] + 1 on int32, with one counter that counts CTAs and goes back to zero.
/// Its point's "fault" names a defect to build in, so that verifiers and timers can be seen to notice it.
class TinyFamily final : public Family {
 public:
  enum Defect {
    none,
    wrong_value,        // adds 2
    last_element_lost,  // leaves y's last element unwritten
    race,               // neighbours through shared memory without a barrier
    out_of_bounds,      // writes one CTA's width behind y
    counter_left,       // does not reset the counter
    reads_garbage,      // adds a byte of the uninitialised workspace to y[0] unless it is 0xa5
    wild_address,       // writes near null
    endless,            // never ends (GPU only)
  };
  static constexpr uint32_t threads = 128;

  /// `planned_threads`: what the plan launches, right or wrong.
  explicit TinyFamily(uint32_t planned_threads = threads) : planned_threads_(planned_threads) {}

  std::string_view name() const override { return "tiny/only"; }
  std::string_view op() const override { return "tiny"; }
  std::vector<std::string> schemes() const override { return {"i32"}; }
  std::vector<Parameter> parameters() const override { return {{"fault", "a defect to build in", {0}, {}}}; }
  Problem canonical(const Problem& problem) const override { return problem; }
  std::optional<std::string> illegal(const Point&, const Problem&) const override { return {}; }
  std::optional<std::string> unsupported(const Point&, const Problem&, const Device&) const override { return {}; }
  std::string variant(const Point& point, const Problem&) const override {
    return fmt::format("tiny.fault{}", point.at("fault"));
  }
  std::optional<std::pair<Point, Problem>> parse_variant(std::string_view, const Problem&) const override { return {}; }
  std::string layout(const Point&, const Problem&) const override { return "rowmajor"; }
  std::string layout_group(const Problem&) const override { return ""; }
  double size(const Problem&) const override { return 0; }

  Source source(const Point& point, const Problem&) const override {
    return {fmt::format(R"(#include "kernels/prim/prim.cuh"
namespace tiny{0} {{
using namespace qoq;
using namespace qoq::prim;
struct Args {{ const i32* x; i32* y; i32* counter; i32* scratch; i32 count; }};
constexpr int fault = {0};
QOQ_DEVICE void body(const Args& args) {{
  // Neighbours load for each other and meet in shared memory, so that the barrier matters.
  const u32 slot = shared_base() + 4 * thread_index();
  const i32 i = static_cast<i32>(block_index_x() * {1} + thread_index()), neighbour = i ^ 1;
  store_shared_u32(slot, neighbour < args.count ? static_cast<u32>(load_readonly(args.x + neighbour)) : 0u);
  if (fault != {2}) sync_threads();
  i32 y = 3 * static_cast<i32>(load_shared_u32(slot ^ 4u)) + (fault == {3} ? 2 : 1);
  if (fault == {4} && thread_index() == 0) {{
    const i32 garbage = load_global(args.scratch);
    if (garbage != static_cast<i32>(0xa5a5a5a5u)) y = garbage;
  }}
  const bool lost = fault == {5} && i == args.count - 1;
  if (i < args.count && !lost) store_global(args.y + i, y);
  if (fault == {6} && i < args.count) store_global(args.y + args.count + i, y);
  if (fault == {7}) store_global(reinterpret_cast<i32*>(16), y);
  if (fault == {8}) while (load_acquire(args.counter) >= 0) {{}}
  if (thread_index() == 0) {{
    const i32 before = atomic_add_acq_rel(args.counter, 1);
    if (before == static_cast<i32>(grid_size_x()) - 1 && fault != {9}) store_global(args.counter, 0);
  }}
}}
}}  // namespace tiny{0}
QOQ_ENTRY(tiny_fault{0}, tiny{0}::body, tiny{0}::Args, {1}, 1)
)",
                        point.at("fault"), threads, int{race}, int{wrong_value}, int{reads_garbage},
                        int{last_element_lost}, int{out_of_bounds}, int{wild_address}, int{endless}, int{counter_left}),
            {fmt::format("tiny_fault{}", point.at("fault"))}};
  }

  Plan plan(const Point& point, const Problem& problem, const Device&) const override {
    const auto blocks = static_cast<uint32_t>((problem.size("n") + threads - 1) / threads);
    return {{{fmt::format("tiny_fault{}", point.at("fault")), {blocks}, {planned_threads_}, {}, threads * 4}},
            {{"counter", 4, 256, Workspace::Init::ZeroOnce}, {"scratch", 64, 256, Workspace::Init::None}}};
  }

  struct TinyCase final : Case {
    std::vector<int32_t> x;
  };
  std::unique_ptr<Case> make_case(const Problem& problem, uint64_t seed) const override {
    auto made = std::make_unique<TinyCase>();
    std::mt19937 random(static_cast<uint32_t>(seed));
    for (int64_t i = 0; i < problem.size("n"); ++i) made->x.push_back(static_cast<int32_t>(random() % 1000));
    return made;
  }
  std::vector<Buffer> prepare(const Case& operands, const Point&) const override {
    const auto& x = static_cast<const TinyCase&>(operands).x;
    const auto bytes = std::as_bytes(std::span(x));
    return {{"x", Buffer::Role::Weights, {bytes.begin(), bytes.end()}},
            {"y", Buffer::Role::Output, std::vector<std::byte>(bytes.size(), std::byte{0xee})}};
  }
  std::string operand_key(const Point&, const Problem&) const override { return "one"; }
  Arguments bind(const Point&, const Problem& problem, const Device&, const Addresses& addresses) const override {
    struct {
      void *x, *y, *counter, *scratch;
      int32_t count;
      int32_t padding;
    } args = {addresses.at("x"),
              addresses.at("y"),
              addresses.at("counter"),
              addresses.at("scratch"),
              static_cast<int32_t>(problem.size("n")),
              0};
    const auto bytes = std::as_bytes(std::span(&args, 1));
    return {{bytes.begin(), bytes.end()}};
  }
  Check check(const Case& operands, const Point&, const std::vector<Buffer>& buffers) const override {
    const auto& x = static_cast<const TinyCase&>(operands).x;
    for (size_t i = 0; i < x.size(); ++i) {
      int32_t y = 0;
      std::memcpy(&y, buffers[1].bytes.data() + 4 * i, 4);
      if (y != 3 * x[i] + 1) return {false, 1.0, fmt::format("y[{}] is {}, expected {}", i, y, 3 * x[i] + 1)};
    }
    return {true, 0, ""};
  }
  Problem reduced(const Point&, const Problem& problem) const override { return problem.with("n", "300"); }
  Work work(const Problem& problem) const override {
    const auto n = static_cast<double>(problem.size("n"));
    return {2 * n, "int32", 4 * n, 4 * n};
  }
  Traffic traffic(const Point&, const Problem&, const Device&) const override { return {}; }
  std::optional<Point> published(const Problem&) const override { return {}; }

 private:
  uint32_t planned_threads_;
};

}  // namespace qoq
