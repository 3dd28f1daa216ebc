#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/family.h"

namespace qoq::ceiling {

/// What the families of bare resources have in common: problems of whole numbers ("ceiling read mb=1024"), no layout,
/// ids made of the scheme and the parameters' letters ("read.t256.u8.x4"), one launch of a kernel that takes
/// CeilingArgs with its operands in "from" and its results in "to", and nobody's published point.
class CeilingFamily : public Family {
 public:
  std::string_view op() const final { return "ceiling"; }
  Problem canonical(const Problem& problem) const override;
  std::optional<std::string> illegal(const Point&, const Problem&) const override { return std::nullopt; }
  std::string variant(const Point& point, const Problem& problem) const final;
  std::optional<std::pair<Point, Problem>> parse_variant(std::string_view id, const Problem& shape) const final;
  std::string layout(const Point&, const Problem&) const final { return "flat"; }
  std::string layout_group(const Problem&) const final { return "flat"; }
  Source source(const Point& point, const Problem& problem) const final;
  Plan plan(const Point& point, const Problem& problem, const Device& device) const final;
  Arguments bind(const Point&, const Problem&, const Device&, const Addresses&) const final;
  std::optional<Point> published(const Problem&) const final { return std::nullopt; }

 protected:
  /// A field of its problems, always given.
  struct Field {
    std::string name;
    int64_t least, most;
  };
  virtual std::vector<Field> fields() const = 0;

  /// A kernel: its header, and what is called there with the arguments.
  struct Text {
    std::string header;  ///< "kernels/ceiling/memory.cuh"
    std::string call;    ///< "read_memory<256, 8, 4>"
  };
  virtual Text text(const Point& point, const Problem& problem) const = 0;
  virtual int64_t ctas(const Point& point, const Problem& problem) const = 0;
  virtual int64_t shared_bytes(const Point&, const Problem&) const { return 0; }
  /// CeilingArgs::count.
  virtual uint32_t count(const Point&, const Problem&) const { return 0; }
};

/// Random operands of a ceiling, as 32-bit words, and the problem they belong to.
struct Words : Case {
  Problem problem;
  std::vector<uint32_t> values;
};
std::vector<uint32_t> random_words(size_t count, uint64_t seed);

/// The words of the buffer the kernel wrote.
std::vector<uint32_t> written_words(const std::vector<Buffer>& buffers);
/// A buffer of that many words for results, poisoned.
Buffer results(size_t words);

}  // namespace qoq::ceiling
