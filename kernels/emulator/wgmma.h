// A warp's quarter of its warpgroup's tensor core work: wgmmas issued, committed, landed (PTX: "wgmma").
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <list>
#include <vector>

#include "kernels/emulator/api.h"
#include "kernels/emulator/clock.h"

namespace qoq::emulator {

/// What all lanes of all four warps must agree on.
struct WgmmaShape {
  u64 descriptor;
  u32 n;
  Signs signs;
  bool accumulate;
  bool operator==(const WgmmaShape&) const = default;
};

/// Registers that belong to the tensor core until a wait gives them back: poisoned in the kernel, the truth is here.
struct Accumulators {
  std::array<i32*, 32> at;  // each lane's
  u32 each;                 // registers a lane
  uint32_t group;           // the last one that adds to them
  std::vector<i32> values;  // [lane][each]
};

struct Wgmma {
  WgmmaShape shape;
  uint32_t group;  // from 1
  bool executed;
  Accumulators* to;
  std::array<const u32*, 32> a_at;  // each lane's four registers
  std::array<std::array<u32, 4>, 32> a;
};

struct TensorCore {
  static constexpr uint32_t none = ~0u;
  bool idle() const { return issued.empty(); }

  std::deque<Wgmma> issued;  // not landed, oldest first
  std::list<Accumulators> accumulators;
  ThreadClock clock;       // what all lanes knew at the last issue
  uint32_t committed = 0;  // groups
  uint32_t count = 0;      // wgmmas ever issued
  uint32_t engine = none;  // its number among the CTA's, from its first wgmma
  bool fenced = false;     // since the last commit
};

struct Cta;
/// The CTA's last thread is about to exit: warps of a warpgroup that issued different numbers of wgmmas are a fault.
void check_warpgroups_agree(const Cta& cta);

}  // namespace qoq::emulator
