#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace qoq {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t{x} * y * z; }
  bool operator==(const Dim3&) const = default;
};

/// One kernel launch of a plan.
struct Launch {
  std::string entry;  ///< the extern "C" name in the built source
  Dim3 grid, block, cluster;
  uint32_t shared_bytes = 0;  ///< dynamic shared memory
};

/// Scratch memory the plan needs beside its operands.
struct Workspace {
  enum class Init {
    None,      ///< any bytes will do
    ZeroOnce,  ///< zero before the first launch; the kernels leave it zero again
    ZeroEach,  ///< zero before every run of the plan
  };
  std::string name;
  size_t bytes = 0;
  size_t align = 256;
  Init init = Init::None;
};

/// How a variant solves a problem on a device: what was timed is what ships.
struct Plan {
  std::vector<Launch> launches;
  std::vector<Workspace> workspaces;
};

/// One operand in host memory, as the kernels read or write it.
struct Buffer {
  enum class Role {
    Input,
    Weights,
    Output,
    InOut,  ///< read and written: holds these bytes before every run that is checked
  };
  /// Whether kernels write it.
  bool written() const { return role == Role::Output || role == Role::InOut; }
  std::string name;
  Role role = Role::Input;
  std::vector<std::byte> bytes;
  size_t repeats = 1;  ///< how often the bytes stand one behind the other; more than once only in timing_operands()
  size_t size() const { return bytes.size() * repeats; }
};

/// An array's bytes as an operand.
template <class T>
Buffer make_buffer(std::string name, Buffer::Role role, const std::vector<T>& values) {
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  return {std::move(name), role, {bytes, bytes + values.size() * sizeof(T)}};
}

/// Where each buffer and workspace lies, by name; device or emulated addresses.
using Addresses = std::map<std::string, void*>;

/// Sets `pointer` to where the named buffer lies; null when the problem has none.
template <class T>
void find_address(const Addresses& addresses, const char* name, T*& pointer) {
  const auto found = addresses.find(name);
  pointer = found == addresses.end() ? nullptr : static_cast<T*>(found->second);
}

/// The bytes of each launch's single argument struct, in launch order.
using Arguments = std::vector<std::vector<std::byte>>;

}  // namespace qoq
