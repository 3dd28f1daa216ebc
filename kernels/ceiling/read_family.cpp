#include "kernels/ceiling/read_family.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "kernels/base/error.h"
#include "kernels/base/random.h"
#include "kernels/ceiling/read.cuh"

namespace qoq::ceiling {

namespace {

using Role = Buffer::Role;
constexpr int64_t most_mb = 8192;

struct Words : Case {
  std::vector<uint32_t> values;
};

int64_t bytes_of(const Problem& problem) { return problem.size("mb") << 20; }

struct Shape {
  int threads, unroll, trips;
  static Shape of(const Point& point) { return {point.at("threads"), point.at("unroll"), point.at("trips")}; }
  int64_t cta_bytes() const { return int64_t{16} * threads * unroll * trips; }
  int64_t ctas(const Problem& problem) const { return bytes_of(problem) / cta_bytes(); }
};

class ReadFamily final : public Family {
 public:
  std::string_view name() const override { return "ceiling/read"; }
  std::string_view op() const override { return "ceiling"; }
  std::vector<std::string> schemes() const override { return {"read"}; }
  std::vector<Parameter> parameters() const override {
    return {{"threads", "threads of a CTA", {128, 256, 512}, {}},
            {"unroll", "16-byte loads of a thread in flight", {2, 4, 8, 16}, {}},
            {"trips", "times that a thread does that", {1, 4, 16}, {}}};
  }

  Problem canonical(const Problem& problem) const override {
    for (const auto& [field, value] : problem.fields) {
      if (field != "mb") bad_input("\"{}\": a ceiling has no field \"{}\"; it has mb", problem.text(), field);
    }
    const int64_t mb = problem.size("mb");
    if (mb < 1 || mb > most_mb) bad_input("\"{}\": mb={} is out of range, 1 to {}", problem.text(), mb, most_mb);
    return {"ceiling", "read", {{"mb", std::to_string(mb)}}};
  }

  std::optional<std::string> illegal(const Point&, const Problem&) const override { return std::nullopt; }
  std::optional<std::string> unsupported(const Point& point, const Problem& problem, const Device&) const override {
    const Shape shape = Shape::of(point);
    if (bytes_of(problem) % shape.cta_bytes() != 0) return "the buffer is no multiple of what one CTA reads";
    return std::nullopt;
  }

  std::string variant(const Point& point, const Problem&) const override {
    const Shape shape = Shape::of(point);
    return fmt::format("read.t{}.u{}.x{}", shape.threads, shape.unroll, shape.trips);
  }
  std::optional<std::pair<Point, Problem>> parse_variant(std::string_view id, const Problem& shape) const override {
    for (const int threads : parameters()[0].values) {
      for (const int unroll : parameters()[1].values) {
        for (const int trips : parameters()[2].values) {
          const Point point{{"threads", threads}, {"unroll", unroll}, {"trips", trips}};
          if (variant(point, shape) == id) return std::pair{point, shape};
        }
      }
    }
    return std::nullopt;
  }

  std::string layout(const Point&, const Problem&) const override { return "flat"; }
  std::string layout_group(const Problem&) const override { return "flat"; }
  double size(const Problem& problem) const override { return static_cast<double>(bytes_of(problem)); }

  Source source(const Point& point, const Problem&) const override {
    const Shape shape = Shape::of(point);
    const std::string entry = entry_name(shape);
    return {fmt::format("#include \"kernels/ceiling/read.cuh\"\n"
                        "namespace {0}_kernel {{\nusing namespace qoq::ceiling;\n"
                        "constexpr int threads = {1};\n"
                        "#define QOQ_BODY(args) read_memory<threads, {2}, {3}>(args)\n"
                        "QOQ_ENTRY({0}, QOQ_BODY, ReadArgs, threads, 1)\n#undef QOQ_BODY\n}}\n",
                        entry, shape.threads, shape.unroll, shape.trips),
            {entry}};
  }
  Plan plan(const Point& point, const Problem& problem, const Device&) const override {
    const Shape shape = Shape::of(point);
    Launch launch;
    launch.entry = entry_name(shape);
    launch.grid.x = static_cast<uint32_t>(shape.ctas(problem));
    launch.block.x = static_cast<uint32_t>(shape.threads);
    return {{launch}, {}};
  }

  std::unique_ptr<Case> make_case(const Problem& problem, uint64_t seed) const override {
    auto words = std::make_unique<Words>();
    Random random(seed);
    words->values.resize(static_cast<size_t>(bytes_of(problem)) / 4);
    for (size_t i = 0; i < words->values.size(); i += 2) {
      const uint64_t two = random.next();
      words->values[i] = static_cast<uint32_t>(two);
      words->values[i + 1] = static_cast<uint32_t>(two >> 32);
    }
    return words;
  }
  std::vector<Buffer> prepare(const Case& c, const Point& point) const override {
    const Words& words = dynamic_cast<const Words&>(c);
    const Shape shape = Shape::of(point);
    const size_t warps = words.values.size() / static_cast<size_t>(128 * shape.unroll * shape.trips);
    return {make_buffer("from", Role::Weights, words.values),
            {"out", Role::Output, std::vector<std::byte>(4 * warps, std::byte{0xcd})}};
  }
  std::string operand_key(const Point& point, const Problem&) const override {
    return fmt::format("{}", Shape::of(point).unroll * Shape::of(point).trips);
  }
  Arguments bind(const Point&, const Problem&, const Device&, const Addresses& addresses) const override {
    ReadArgs args{};
    find_address(addresses, "from", args.from);
    find_address(addresses, "out", args.out);
    std::vector<std::byte> bytes(sizeof args);
    std::memcpy(bytes.data(), &args, sizeof args);
    return {bytes};
  }
  /// All warps' words together are the exclusive-or of the whole buffer, whoever read what.
  Check check(const Case& c, const Point&, const std::vector<Buffer>& buffers) const override {
    uint32_t want = 0, got = 0;
    for (const uint32_t word : dynamic_cast<const Words&>(c).values) want ^= word;
    for (const Buffer& buffer : buffers) {
      if (buffer.role != Role::Output) continue;
      for (size_t at = 0; at + 4 <= buffer.bytes.size(); at += 4) {
        uint32_t word = 0;
        std::memcpy(&word, buffer.bytes.data() + at, 4);
        got ^= word;
      }
    }
    if (got == want) return {true, 0, ""};
    return {false, 1, fmt::format("the words' exclusive-or is {:08x}, read were {:08x}", want, got)};
  }
  Problem reduced(const Point&, const Problem& problem) const override { return problem.with("mb", "4"); }

  Work work(const Problem& problem) const override {
    Work work;
    work.arithmetic = "fp16";
    work.read_bytes = static_cast<double>(bytes_of(problem));
    return work;
  }
  Traffic traffic(const Point& point, const Problem& problem, const Device&) const override {
    Traffic traffic;
    traffic.dram_read_bytes = traffic.l2_read_bytes = static_cast<double>(bytes_of(problem));
    traffic.pipeline_stages = 1 + Shape::of(point).unroll;
    return traffic;
  }
  std::optional<Point> published(const Problem&) const override { return std::nullopt; }

 private:
  static std::string entry_name(const Shape& shape) {
    return fmt::format("ceiling_read_t{}_u{}_x{}", shape.threads, shape.unroll, shape.trips);
  }
};

}  // namespace

std::unique_ptr<Family> make_read_family() { return std::make_unique<ReadFamily>(); }

}  // namespace qoq::ceiling
