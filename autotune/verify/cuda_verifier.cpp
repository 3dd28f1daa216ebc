#include "autotune/verify/cuda_verifier.h"

#include "autotune/verify/cuda_machine.h"
#include "kernels/base/file.h"

namespace qoq::verify {

struct CudaVerifier::Operands {
  std::string key;  ///< operands_key() and the seed
  std::unique_ptr<Case> values;
  std::vector<Buffer> buffers;
  Memories memory;
};

struct CudaVerifier::Expected {
  std::string key;
  std::vector<Buffer> buffers;  ///< the reference kernel's operands, outputs filled in
};

namespace {

constexpr size_t most_kept = 3;  // layouts of one problem that a search goes back and forth between

std::string operands_key(const Family& family, const Point& point, const Problem& problem) {
  return fmt::format("{} {} {}", family.name(), problem.text(), family.operand_key(point, problem));
}

/// Brings the one with this key to the front; where there is none, makes room for it there.
template <class Kept>
bool find_kept(std::vector<std::unique_ptr<Kept>>& kept, const std::string& key) {
  const auto found = std::ranges::find(kept, key, [](const auto& one) { return one->key; });
  if (found != kept.end()) {
    std::rotate(kept.begin(), found, found + 1);
    return true;
  }
  if (kept.size() >= most_kept) kept.resize(most_kept - 1);
  return false;
}

}  // namespace

CudaVerifier::CudaVerifier(runtime::CudaDevice device, BuildReference build_reference, CudaLimits limits)
    : device_(std::move(device)), build_reference_(std::move(build_reference)), limits_(limits) {}
CudaVerifier::~CudaVerifier() = default;

bool CudaVerifier::fits_cpu(const Family& family, const Problem& problem) const {
  return family.work(problem).ops <= limits_.reference_ops;
}

bool CudaVerifier::has_reference(const Family& family, const Point& point, const Problem& problem) const {
  const Family* plain = family.reference();
  return plain != nullptr && build_reference_ && !plain->unsupported(point, problem, device_.gpu().device);
}

Problem CudaVerifier::problem_to_run(const Family& family, const Point& point, const Problem& problem) const {
  const bool full_size = fits_cpu(family, problem) || has_reference(family, point, problem);
  return full_size ? problem : family.reduced(point, problem);
}

/// Runs the reference kernel once and reads its outputs back into `buffers`.
void CudaVerifier::run_reference(const Family& plain, const Point& point, const Problem& problem,
                                 std::vector<Buffer>& buffers) const {
  const Device& device = device_.gpu().device;
  const Plan plan = plain.plan(point, problem, device);
  const runtime::LoadedPlan loaded(plan, read_file(build_reference_(plain.source(point, problem))));
  Memories memory;
  for (const Buffer& buffer : buffers)
    memory.try_emplace(buffer.name, buffer.bytes.size(), stream_).first->second.write(buffer.bytes);
  CudaMachine machine(loaded, memory, {}, stream_, limits_.timeout_s);
  if (const auto failure = machine.run(plan, plain.bind(point, problem, device, machine.addresses()), 0)) {
    fail("the reference kernel {} failed on \"{}\": {}", plain.name(), problem.text(), failure->message);
  }
  for (Buffer& buffer : buffers) {
    if (buffer.written()) machine.read(buffer.name, buffer.bytes);
  }
}

const CudaVerifier::Expected& CudaVerifier::expected_for(const Family& family, const Point& point,
                                                         const Problem& problem, const Case& values, uint64_t seed) {
  const Family& plain = *family.reference();
  const std::string key = fmt::format("{} {}", operands_key(plain, point, problem), seed);
  if (find_kept(expected_, key)) return *expected_.front();
  const Problem small = plain.reduced(point, problem);
  const std::string proof = operands_key(plain, point, small);
  if (!trusted_.contains(proof)) {  // first, on the CPU's own terms
    const auto small_values = plain.make_case(small, seed);
    std::vector<Buffer> buffers = plain.prepare(*small_values, point);
    run_reference(plain, point, small, buffers);
    if (const Check check = plain.check(*small_values, point, buffers); !check.pass) {
      fail("the reference kernel {} is wrong on this GPU: {}", plain.name(), check.message);
    }
    trusted_.insert(proof);
  }
  auto made = std::make_unique<Expected>();
  made->key = key;
  made->buffers = plain.prepare(values, point);
  run_reference(plain, point, problem, made->buffers);
  expected_.insert(expected_.begin(), std::move(made));
  return *expected_.front();
}

Check CudaVerifier::compare(const Expected& expected, const std::vector<Buffer>& buffers) {
  bool compared = false;
  for (const Buffer& buffer : buffers) {
    for (const Buffer& want : expected.buffers) {
      if (!buffer.written() || want.name != buffer.name) continue;
      compared = true;
      const auto [got, wanted] = std::ranges::mismatch(buffer.bytes, want.bytes);
      if (got == buffer.bytes.end() && wanted == want.bytes.end()) continue;
      return {false, 1,
              fmt::format("'{}' differs from the reference kernel's, first at byte {} of {}", buffer.name,
                          got - buffer.bytes.begin(), buffer.bytes.size())};
    }
  }
  return {compared, 0, compared ? "" : "no output to compare with the reference kernel's"};
}

CudaVerifier::Operands& CudaVerifier::operands_for(const Family& family, const Point& point, const Problem& problem,
                                                   uint64_t seed) {
  const std::string key = fmt::format("{} {}", operands_key(family, point, problem), seed);
  if (find_kept(operands_, key)) return *operands_.front();
  auto made = std::make_unique<Operands>();
  made->key = key;
  made->values = family.make_case(problem, seed);
  made->buffers = family.prepare(*made->values, point);
  for (const Buffer& buffer : made->buffers) {
    const auto placed = made->memory.try_emplace(buffer.name, buffer.bytes.size(), stream_).first;
    if (buffer.role != Buffer::Role::Output) placed->second.write(buffer.bytes);
  }
  operands_.insert(operands_.begin(), std::move(made));
  return *operands_.front();
}

const std::vector<Buffer>* CudaVerifier::prepared(const Family& family, const Point& point,
                                                  const Problem& problem) const {
  const std::string key = operands_key(family, point, problem) + " ";
  const auto found = std::ranges::find_if(operands_, [&](const auto& kept) { return kept->key.starts_with(key); });
  return found == operands_.end() ? nullptr : &(*found)->buffers;
}

Verdict CudaVerifier::verify(const Family& family, const Point& point, const Problem& problem,
                             const std::filesystem::path& object, uint64_t seed) {
  if (!lost_.empty()) fail("the GPU's context is lost, start the program again: {}", lost_);
  Verdict verdict;
  verdict.where = "cuda";
  verdict.seed = seed;
  verdict.problem = problem_to_run(family, point, problem);

  const Device& device = device_.gpu().device;
  const Plan plan = family.plan(point, verdict.problem, device);
  Operands& operands = operands_for(family, point, verdict.problem, seed);
  Memories workspaces;
  for (const Workspace& workspace : plan.workspaces) workspaces.try_emplace(workspace.name, workspace.bytes, stream_);

  std::optional<runtime::LoadedPlan> loaded;
  try {
    loaded.emplace(plan, read_file(object));
  } catch (const Error& error) {
    verdict.message = error.what();
    return verdict;
  }
  CudaMachine machine(*loaded, operands.memory, workspaces, stream_, limits_.timeout_s);
  const Arguments arguments = family.bind(point, verdict.problem, device, machine.addresses());
  std::vector<Buffer> buffers = operands.buffers;
  const Expected* expected = fits_cpu(family, verdict.problem) || !has_reference(family, point, verdict.problem)
                                 ? nullptr
                                 : &expected_for(family, point, verdict.problem, *operands.values, seed);
  const auto check = [&](const std::vector<Buffer>& results) {
    return expected != nullptr ? compare(*expected, results) : family.check(*operands.values, point, results);
  };
  run_twice(machine, check, plan, arguments, buffers, verdict);

  if (verdict.status == Verdict::Status::Timeout) {
    lost_ = fmt::format("{} {}", family.variant(point, problem), verdict.message);
    // The kernel still runs, and freeing what it uses would wait for its end: left to the operating system.
    new auto(std::move(workspaces));
    new auto(std::move(loaded));
    new auto(std::move(operands_));
  } else if (verdict.status == Verdict::Status::LaunchFailed) {
    try {
      device_.synchronize();
    } catch (const Error&) {
      lost_ = fmt::format("{}: {}", family.variant(point, problem), verdict.message);
    }
  } else if (verdict.status == Verdict::Status::Wrong) {
    operands_.clear();  // it may have written anywhere
  }
  verdict.context_lost = !lost_.empty();
  return verdict;
}

}  // namespace qoq::verify
