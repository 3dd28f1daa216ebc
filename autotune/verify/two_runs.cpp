#include "autotune/verify/two_runs.h"

#include <fmt/format.h>

#include <algorithm>

namespace qoq::verify {

namespace {

using Bytes = std::vector<std::byte>;

/// Two runs see different garbage: whoever reads it, or leaves it standing, differs between them.
std::byte poison(int run) { return run == 0 ? std::byte{0xa5} : std::byte{0x5a}; }

void set_up(Machine& machine, const Plan& plan, const std::vector<Buffer>& buffers, int run) {
  for (const Buffer& buffer : buffers) {
    if (!buffer.written()) continue;
    Bytes bytes = buffer.bytes;
    if (run == 1 && buffer.role == Buffer::Role::Output) {
      for (std::byte& byte : bytes) byte = ~byte;
    }
    machine.write(buffer.name, bytes);
  }
  for (const Workspace& workspace : plan.workspaces) {
    switch (workspace.init) {
      case Workspace::Init::None:
        machine.write(workspace.name, Bytes(workspace.bytes, poison(run)));
        break;
      case Workspace::Init::ZeroOnce:
        if (run == 0) machine.write(workspace.name, Bytes(workspace.bytes));
        break;
      case Workspace::Init::ZeroEach:
        machine.write(workspace.name, Bytes(workspace.bytes));
        break;
    }
  }
}

std::optional<std::string> unrestored_workspace(Machine& machine, const Plan& plan) {
  for (const Workspace& workspace : plan.workspaces) {
    if (workspace.init != Workspace::Init::ZeroOnce) continue;
    Bytes bytes(workspace.bytes);
    machine.read(workspace.name, bytes);
    const auto left = std::ranges::find_if(bytes, [](std::byte byte) { return byte != std::byte{0}; });
    if (left != bytes.end()) {
      return fmt::format("workspace '{}' is not zero again after the launches: byte {} is {}", workspace.name,
                         left - bytes.begin(), static_cast<int>(*left));
    }
  }
  return {};
}

std::optional<std::string> changed_input(Machine& machine, const std::vector<Buffer>& buffers) {
  for (const Buffer& buffer : buffers) {
    if (buffer.written()) continue;
    Bytes now(buffer.bytes.size());
    machine.read(buffer.name, now);
    if (now != buffer.bytes) return fmt::format("the kernel wrote to its input '{}'", buffer.name);
  }
  return {};
}

/// The first difference between two runs' outputs.
std::optional<std::string> difference(const std::vector<Buffer>& first, const std::vector<Buffer>& second) {
  for (size_t i = 0; i < first.size(); ++i) {
    const auto [a, b] = std::ranges::mismatch(first[i].bytes, second[i].bytes);
    if (a == first[i].bytes.end()) continue;
    return fmt::format("two runs differ: byte {} of '{}' is {}, then {}", a - first[i].bytes.begin(), first[i].name,
                       static_cast<int>(*a), static_cast<int>(*b));
  }
  return {};
}

}  // namespace

void run_twice(Machine& machine, const std::function<Check(const std::vector<Buffer>&)>& check, const Plan& plan,
               const Arguments& arguments, std::vector<Buffer>& buffers, Verdict& verdict) {
  const auto give = [&](Verdict::Status status, std::string message) {
    verdict.status = status;
    verdict.message = std::move(message);
  };
  const std::vector<Buffer> prepared = buffers;
  std::vector<Buffer> first;
  for (int run = 0; run < 2; ++run) {
    set_up(machine, plan, prepared, run);
    if (auto failure = machine.run(plan, arguments, run)) {
      return give(failure->status, fmt::format("run {}: {}", run + 1, failure->message));
    }
    for (Buffer& buffer : buffers) {
      if (buffer.written()) machine.read(buffer.name, buffer.bytes);
    }
    if (run == 0) {
      const Check result = check(buffers);
      verdict.max_error = result.max_error;
      if (!result.pass) return give(Verdict::Status::Wrong, result.message);
      first = buffers;
    }
    if (auto left = unrestored_workspace(machine, plan)) return give(Verdict::Status::Wrong, std::move(*left));
  }
  if (auto found = difference(first, buffers)) return give(Verdict::Status::Wrong, std::move(*found));
  if (auto changed = changed_input(machine, prepared)) return give(Verdict::Status::Wrong, std::move(*changed));
  give(Verdict::Status::Ok, "");
}

}  // namespace qoq::verify
