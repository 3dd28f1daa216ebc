// Runs kernels written in the instruction vocabulary (kernels/prim) on the CPU and checks what a GPU does not:
// races, uninitialised reads, bounds, divergence, deadlock. Counts what it touches.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernels/runtime/plan.h"

namespace qoq::emulator {

/// Which thread runs next. WarpFirst keeps to a warp, then to a CTA, as long as it can (the fast one); Random draws
/// among all started CTAs, warps and lanes.
enum class Schedule { WarpFirst, Random };

/// When the bytes of an asynchronous copy arrive and a wgmma reads its operands: at the wait (a bulk copy: when nobody
/// can go on without it), at the issue, or one or the other by chance.
enum class AsyncLanding { Late, Early, Random };

struct Options {
  Schedule schedule = Schedule::WarpFirst;
  AsyncLanding async = AsyncLanding::Late;
  uint64_t seed = 1;
  bool races = true;      ///< races and uninitialised reads of shared memory; off is faster and blind
  int resident_ctas = 0;  ///< CTAs that may run side by side; 0: the whole grid
};

enum class Access {
  ReadOnly,   ///< a write is a fault; no race is possible, so reads cost little
  ReadWrite,  ///< initialised by the caller
  Scratch,    ///< as ReadWrite, but a byte holds nothing until a kernel has written it (outputs, workspaces)
};

class GlobalMemory;  // the view of Memory inside a launch

/// The global memory that launches may touch: named ranges of host memory. What is not registered is out of bounds.
/// One Memory serves any number of launches, one at a time; what a launch wrote stays initialised for the next.
class Memory {
 public:
  /// Registers [data, data + bytes), 16-byte aligned; empty ranges are ignored. The caller keeps the bytes alive.
  /// Throws Fault::Work when the range overlaps another, is misaligned, or the name is taken.
  void add(const std::string& name, void* data, size_t bytes, Access access);
  /// Registers read-only bytes.
  void add(const std::string& name, const void* data, size_t bytes);

 private:
  friend class GlobalMemory;
  struct Buffer {
    std::string name;
    std::byte* data = nullptr;
    size_t bytes = 0;
    Access access = Access::ReadOnly;
    std::vector<bool> initialised;  // per byte, Scratch only
  };
  std::vector<Buffer> buffers_;  // by address
};

/// What kernels did to one buffer. Sectors are the distinct 32-byte sectors of each warp-level request, summed.
struct BufferCounters {
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t sectors_read = 0;
  uint64_t sectors_written = 0;
  uint64_t atomics = 0;  ///< read-modify-writes by one thread; not in the bytes above
};

/// Warp-level shared-memory requests of one kind. A wavefront serves each of the 32 four-byte banks once.
struct SharedCounters {
  uint64_t requests = 0;
  uint64_t wavefronts = 0;
  uint64_t ideal_wavefronts = 0;  ///< what the same requests cost without conflicts
  uint64_t bank_conflicts() const { return wavefronts - ideal_wavefronts; }
};

struct Counters {
  std::map<std::string, BufferCounters> buffers;
  SharedCounters shared_loads;   ///< load_shared_*
  SharedCounters shared_stores;  ///< store_shared_*
  SharedCounters matrix_loads;   ///< ldmatrix_*
  SharedCounters async_copies;   ///< the shared side of cp_async_16
  uint64_t ctas = 0;
  uint64_t collectives = 0;  ///< warp-wide meetings: sync_warp, shuffles, ldmatrix, mma (a tile is one), wgmma
  uint64_t mmas = 0;         ///< mma instructions (a tile of I × J counts I · J)
  uint64_t wgmmas = 0;       ///< wgmma instructions of a warpgroup
  uint64_t bulk_copies = 0;  ///< cp_async_bulk; their global side is in the buffers' counters
  uint64_t barriers = 0;     ///< completed sync_threads and sync_named
  uint64_t bank_conflicts() const;
  Counters& operator+=(const Counters& other);
};

enum class FaultKind {
  None,
  Race,            ///< two accesses, one of them a write, not ordered by synchronisation
  Uninitialised,   ///< a read of shared or Scratch bytes that nobody wrote
  OutOfBounds,     ///< outside shared memory or every registered buffer
  Misaligned,      ///< address not a multiple of the access size
  ReadOnlyWrite,   ///< a write to a ReadOnly buffer, or to bytes read by load_readonly
  Divergence,      ///< lanes of a warp meet at different operations, or some have exited
  Deadlock,        ///< nobody can run
  IllegalOperand,  ///< an operand outside what PTX allows
  MissingFence,    ///< the async proxy meets a generic write that its thread has not fenced before synchronising
  MbarrierMisuse,  ///< used before its init, overwritten, one arrival too many, a phase missed, a copy nobody awaits
  Registers,       ///< registers of an unfinished wgmma were touched, or were not fenced before it
};

/// How a launch ended. Without a fault the kernel ran to its end and the counters are complete.
struct Result {
  std::optional<std::string> fault;  ///< the first fault, one sentence
  FaultKind kind = FaultKind::None;
  Dim3 cta{0, 0, 0};  ///< who ran into it
  unsigned thread = 0;
  std::string operation;        ///< its operation ("ldmatrix")
  std::string other_operation;  ///< the earlier operation of a race ("cp_async_16"), or what the other lanes wait at
  std::string buffer;           ///< "shared", a buffer's name, or empty
  uint64_t offset = 0;          ///< byte offset in it
  Counters counters;
};

/// Runs `entry(args)` for every thread of every CTA. `threads` is a multiple of 32 up to 1024.
/// May be called from several OS threads at once, each with its own Memory.
/// A kernel's fault is a value; throws Fault::Work only for an impossible launch.
Result launch(void (*entry)(const void*), const void* args, Dim3 grid, unsigned threads, uint32_t shared_bytes,
              Memory& memory, const Options& options = {});

}  // namespace qoq::emulator
