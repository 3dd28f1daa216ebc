#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/runtime/device.h"
#include "kernels/runtime/plan.h"

namespace qoq {

/// One piece of work: an operator, its numeric scheme and named fields. Text form, also the database key:
/// "gemm w4a8-g128 m=64 n=28672 k=4096". A family's canonical() checks the fields, fills defaults and fixes their
/// order.
struct Problem {
  std::string op;      ///< "gemm"
  std::string scheme;  ///< "w4a8-g128"
  std::vector<std::pair<std::string, std::string>> fields;

  std::string text() const;
  /// A field's text; empty when absent.
  std::string_view field(std::string_view name) const;
  /// A field as a number. Throws Fault::Input when it is absent or not a whole number.
  int64_t size(std::string_view name) const;
  /// The same problem with one field replaced or added.
  Problem with(std::string_view name, std::string value) const;
  /// Reads the text form. Throws Fault::Input with a sentence.
  static Problem parse(std::string_view text);
  bool operator==(const Problem&) const = default;
};

/// A tunable named int. `labels` name the values where they are not plain numbers (dequant: imad, vadd4, …).
struct Parameter {
  std::string name;
  std::string help;
  std::vector<int> values;
  std::vector<std::string> labels;
};

/// One value for every parameter: a point of a family's space. Beyond the parameters, "ablated" = 1 asks for the
/// no-dequant ablation of the same point.
using Point = std::map<std::string, int>;

/// Generated text that compiles both ways (NVRTC and the host's g++), and the entries it defines.
struct Source {
  std::string text;
  std::vector<std::string> entries;
};

/// Random operands of one problem, from a seed; each operator derives its own.
class Case {
 public:
  virtual ~Case() = default;
};

/// A result beside its reference.
struct Check {
  bool pass = false;
  double max_error = 0;  ///< largest |result − reference| over the outputs' scale; 0 when bit-equal
  std::string message;   ///< first mismatch, with its place; empty when it passed
};

/// What any solution must do: the speed of light is max(bytes / bandwidth, ops / rate).
struct Work {
  double ops = 0;          ///< multiplications and additions on the tensor cores
  std::string arithmetic;  ///< which tensor rate bounds them: "int8", "fp16", …
  double read_bytes = 0;   ///< each input once
  double write_bytes = 0;  ///< each output once
  double elements = 0;     ///< stored numbers that a kernel may have to dequantise: weights, cached keys and values
  /// The arithmetic that does it where the GPU has no rate for the other: "int8" for "int4". Empty: none.
  std::string fallback = {};
};

/// What one variant does to solve it.
struct Traffic {
  double dram_read_bytes = 0;  ///< with ideal L2 reuse inside one raster wave
  double dram_write_bytes = 0;
  double l2_read_bytes = 0;     ///< all CTAs' loads
  double mma_instructions = 0;  ///< warp-level, padding included
  int pipeline_stages = 1;      ///< tiles in flight per CTA
  /// Warp-level loads, of all CTAs, of lines that all others ask for at the same moment (padding rows that repeat the
  /// last one): L2 serves them one after the other.
  double same_line_requests = 0;
  /// Behind the main loop of the CTA that puts split sums together: accesses of L2 that wait for each other, and the
  /// bytes it writes and reads.
  double merge_steps = 0, merge_bytes = 0;
  /// Work::elements as warps take them into their registers, padding included: one that r warps take counts r times.
  double taken_elements = 0;
};

/// Kernels that share one config struct: gemm/mma, attention/decode … Everything above asks only this.
class Family {
 public:
  virtual ~Family() = default;

  virtual std::string_view name() const = 0;  ///< "gemm/mma"
  virtual std::string_view op() const = 0;    ///< "gemm"
  virtual std::vector<std::string> schemes() const = 0;
  virtual std::vector<Parameter> parameters() const = 0;

  /// Checks and completes a problem of this operator. Throws Fault::Input with a sentence (unknown field, k not a
  /// multiple of the group, …).
  virtual Problem canonical(const Problem&) const = 0;

  /// Why this point is no kernel of the problem's scheme, whatever the sizes and the GPU; nothing when it is one. A
  /// family's space is the product of its parameters less these.
  virtual std::optional<std::string> illegal(const Point&, const Problem&) const = 0;

  /// Why this point cannot solve this problem on this device, as a sentence; nothing when it can. Never compiles.
  virtual std::optional<std::string> unsupported(const Point&, const Problem&, const Device&) const = 0;

  /// The variant's id: log line, row key and cache name ("mma.w4a8-g128.bm128.bn64….imad").
  virtual std::string variant(const Point&, const Problem&) const = 0;
  /// The point and the problem's scheme and output named by an id, or nothing when it is not one of ours.
  virtual std::optional<std::pair<Point, Problem>> parse_variant(std::string_view id, const Problem& shape) const = 0;

  /// Memory layout of the weights (or KV pages) this point reads: "qserve", "fragment", "rowmajor".
  virtual std::string layout(const Point&, const Problem&) const = 0;
  /// Problems with the same key read the same weights, so one layout must be chosen for them: "n=28672 k=4096".
  virtual std::string layout_group(const Problem&) const = 0;
  /// The axis along which select answers between tuned problems that share a layout group: m of a gemm, Σ ctx of an
  /// attention.
  virtual double size(const Problem&) const = 0;

  virtual Source source(const Point&, const Problem&) const = 0;
  virtual Plan plan(const Point&, const Problem&, const Device&) const = 0;

  virtual std::unique_ptr<Case> make_case(const Problem&, uint64_t seed) const = 0;
  /// Operands in the layout this point reads; outputs poisoned. Points with equal operand_key share them.
  virtual std::vector<Buffer> prepare(const Case&, const Point&) const = 0;
  /// Operands to time this point on, never to check it: their bytes may repeat, because a CPU draws a large cache far
  /// slower than a GPU reads it.
  virtual std::vector<Buffer> timing_operands(const Problem& problem, const Point& point, uint64_t seed) const {
    return prepare(*make_case(problem, seed), point);
  }
  virtual std::string operand_key(const Point&, const Problem&) const = 0;
  virtual Arguments bind(const Point&, const Problem&, const Device&, const Addresses&) const = 0;
  /// Compares outputs (those of prepare(), overwritten by the kernel) with the reference.
  virtual Check check(const Case&, const Point&, const std::vector<Buffer>&) const = 0;

  /// A small problem of the same kind that exercises every path of this point: two CTAs an axis, tails,
  /// k ≥ (2·stages + 1)·block_k·splits.
  virtual Problem reduced(const Point&, const Problem&) const = 0;

  virtual Work work(const Problem&) const = 0;
  virtual Traffic traffic(const Point&, const Problem&, const Device&) const = 0;

  /// A plain kernel whose outputs every variant's must equal byte for byte, for problems too large for the CPU; nullptr
  /// where there is none. Its prepare() and check() take the variant's own point. It is not tuned.
  virtual const Family* reference() const { return nullptr; }

  /// The point that published code uses for this problem (QServe's tile table), where there is one.
  virtual std::optional<Point> published(const Problem&) const = 0;
};

}  // namespace qoq
