#pragma once
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

using attention::AttentionCase;

/// A decode kernel on the emulator whose operands a test spoils first: Bench runs only what is as it should be.
class Trial {
 public:
  /// `change` may alter the random operands before they are packed.
  Trial(const std::string& id, const std::string& text, const std::function<void(AttentionCase&)>& change = {})
      : problem_(parse_problem(text)), point_(decode_point(id, problem_)) {
    const auto operands = family_.make_case(problem_, 11);
    case_ = dynamic_cast<const AttentionCase&>(*operands);
    if (change) change(case_);
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
  bool is_right(int sequence, int head) { return error(sequence, head) <= 1e-3; }
  /// Of a head's outputs, over the largest of them.
  double error(int sequence, int head) {
    const size_t row = row_of(sequence, head);
    double largest = 0, scale = 0;
    for (size_t d = 0; d < head_dim(); ++d) {
      const double want = case_.output(false)[row * head_dim() + d];
      const double difference = std::abs(output(sequence, head, static_cast<int>(d)) - want);
      largest = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(largest, difference);
      scale = std::max(scale, std::abs(want));
    }
    return largest / scale;
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

}  // namespace qoq::test
