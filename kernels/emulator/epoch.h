// One access as the race detector remembers it: who, when, what kind, by which operation. 64 bits.
#pragma once
#include <cstdint>

namespace qoq::emulator {

enum class Operation : uint8_t {
  None,
  SyncThreads,
  SyncNamed,
  SyncWarp,
  Shuffle,
  Vote,
  TransposeMatrix,
  LoadGlobal,
  LoadReadonly,
  StoreGlobal,
  AtomicAddAcqRel,
  AtomicAddRelaxed,
  LoadAcquire,
  StoreRelease,
  LoadShared,
  StoreShared,
  CopyAsync,
  LoadMatrix,
  Mma,
  Exit,
  MbarrierInit,
  MbarrierArrive,
  MbarrierArriveExpectTx,
  MbarrierWait,
  FenceMbarrierInit,
  FenceProxyAsync,
  CopyBulk,
  Wgmma,
  WgmmaFence,
  WgmmaCommit,
  WgmmaWait,
  SetMaxRegisters,
};  // at most 32: an epoch has five bits for it

/// The name a kernel's author knows it by.
const char* name_of(Operation operation);

enum class AccessKind : uint8_t { Read, Write, AtomicRead, AtomicWrite, ReadonlyRead };

/// clock:28 | agent:28 | kind:3 | operation:5. An agent is a thread or an engine (clock.h); clocks start at 1, so no
/// epoch is 0, which stands for "nobody".
class Epoch {
 public:
  static constexpr int agent_bits = 28;

  Epoch() = default;
  Epoch(uint32_t clock, uint32_t agent, AccessKind kind, Operation operation)
      : bits_(uint64_t{clock} << 36 | uint64_t{agent} << 8 | uint64_t(kind) << 5 | uint64_t(operation)) {}
  uint32_t clock() const { return static_cast<uint32_t>(bits_ >> 36); }
  uint32_t agent() const { return static_cast<uint32_t>(bits_ >> 8) & ((1u << agent_bits) - 1); }
  AccessKind kind() const { return static_cast<AccessKind>(bits_ >> 5 & 7); }
  Operation operation() const { return static_cast<Operation>(bits_ & 31); }
  explicit operator bool() const { return bits_ != 0; }
  bool operator==(const Epoch&) const = default;

 private:
  uint64_t bits_ = 0;
};

}  // namespace qoq::emulator
