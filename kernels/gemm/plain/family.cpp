#include "kernels/gemm/plain/family.h"

#include <cstring>

#include "kernels/base/error.h"
#include "kernels/gemm/mma/operands.h"
#include "kernels/gemm/mma/traffic.h"
#include "kernels/gemm/plain/kernel.cuh"
#include "kernels/gemm/reference.h"

namespace qoq::gemm {

namespace {

constexpr const char* entry = "gemm_plain";

class PlainFamily final : public Family {
 public:
  std::string_view name() const override { return "gemm/plain"; }
  std::string_view op() const override { return "gemm"; }
  std::vector<std::string> schemes() const override { return {"w4a8-g128", "w4a8-channel", "w8a8"}; }
  std::vector<Parameter> parameters() const override { return {}; }
  Problem canonical(const Problem& problem) const override { return GemmProblem::parse(problem).problem(); }
  std::optional<std::string> illegal(const Point&, const Problem&) const override { return std::nullopt; }
  std::optional<std::string> unsupported(const Point&, const Problem& problem, const Device&) const override {
    const GemmProblem p = GemmProblem::parse(problem);
    if (p.scheme == Scheme::W4A16Group || p.scheme == Scheme::W4A4Group) return "its sums are int32";
    if (p.m > 65535) return "one CTA a row: a grid has at most 65,535";
    return std::nullopt;
  }
  std::string variant(const Point&, const Problem& problem) const override { return "plain." + problem.scheme; }
  std::optional<std::pair<Point, Problem>> parse_variant(std::string_view, const Problem&) const override {
    return std::nullopt;
  }
  std::string layout(const Point&, const Problem&) const override { return "int8"; }
  std::string layout_group(const Problem& problem) const override {
    const GemmProblem p = GemmProblem::parse(problem);
    return fmt::format("n={} k={}", p.n, p.k);
  }
  double size(const Problem& problem) const override { return GemmProblem::parse(problem).m; }

  Source source(const Point&, const Problem&) const override {
    return {fmt::format("#include \"kernels/gemm/plain/kernel.cuh\"\n"
                        "namespace {0}_kernel {{\nusing namespace qoq::gemm;\n"
                        "QOQ_ENTRY({0}, plain_gemm, PlainArgs, plain_threads, 1)\n}}\n",
                        entry),
            {entry}};
  }
  Plan plan(const Point&, const Problem& problem, const Device&) const override {
    const GemmProblem p = GemmProblem::parse(problem);
    Launch launch;
    launch.entry = entry;
    launch.grid = {static_cast<uint32_t>((p.n + plain_threads - 1) / plain_threads), static_cast<uint32_t>(p.m), 1};
    launch.block = {plain_threads, 1, 1};
    return {{launch}, {}};
  }

  std::unique_ptr<Case> make_case(const Problem& problem, uint64_t seed) const override {
    return std::make_unique<GemmCase>(make_gemm_case(GemmProblem::parse(problem), seed));
  }
  std::vector<Buffer> prepare(const Case& c, const Point& point) const override {
    GemmCase plain = dynamic_cast<const GemmCase&>(c);
    plain.w = multiplied_weights(plain, point);
    return prepare_plain_operands(plain);
  }
  std::string operand_key(const Point& point, const Problem&) const override {
    return fmt::format("int8{}{}", ablated(point) ? "+ablated" : "", ablated(point) && biased(point) ? "+biased" : "");
  }
  Arguments bind(const Point&, const Problem& problem, const Device&, const Addresses& addresses) const override {
    const GemmProblem p = GemmProblem::parse(problem);
    PlainArgs args{};
    find_address(addresses, "a", args.a);
    find_address(addresses, "w", args.w);
    find_address(addresses, "s1", args.weight_scales);
    find_address(addresses, "szero", args.weight_szeros);
    find_address(addresses, "sx", args.token_scales);
    find_address(addresses, "t", args.token_sums);
    find_address(addresses, "bias", args.bias);
    find_address(addresses, "out", args.out);
    args.m = p.m;
    args.n = p.n;
    args.k = p.k;
    args.scheme = p.scheme;
    args.output = p.output;
    args.with_bias = p.bias;
    std::vector<std::byte> bytes(sizeof args);
    std::memcpy(bytes.data(), &args, sizeof args);
    return {bytes};
  }
  Check check(const Case& c, const Point& point, const std::vector<Buffer>& buffers) const override {
    const GemmCase& operands = dynamic_cast<const GemmCase&>(c);
    for (const Buffer& buffer : buffers) {
      if (buffer.role != Buffer::Role::Output) continue;
      return compare(operands, buffer.bytes,
                     finish(operands, accumulate(operands, multiplied_weights(operands, point))));
    }
    return {false, 0, "no output buffer"};
  }
  Problem reduced(const Point&, const Problem& problem) const override {
    GemmProblem p = GemmProblem::parse(problem);
    p.m = 37;
    p.n = 288;
    p.k = 512;
    return p.problem();
  }

  Work work(const Problem& problem) const override { return gemm_work(GemmProblem::parse(problem)); }
  Traffic traffic(const Point&, const Problem&, const Device&) const override { return {}; }
  std::optional<Point> published(const Problem&) const override { return std::nullopt; }

 private:
  static bool ablated(const Point& point) {
    const auto found = point.find("ablated");
    return found != point.end() && found->second != 0;
  }
  static bool biased(const Point& point) {
    const auto found = point.find("dequant");
    return found != point.end() && found->second == static_cast<int>(Dequant::U8S8);
  }
  static std::vector<int8_t> multiplied_weights(const GemmCase& c, const Point& point) {
    return ablated(point) && c.problem.scheme != Scheme::W8A8 ? ablated_weights(c, biased(point)) : c.w;
  }
};

}  // namespace

std::unique_ptr<Family> make_plain_family() { return std::make_unique<PlainFamily>(); }

}  // namespace qoq::gemm
