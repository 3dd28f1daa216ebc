#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qoq::roofline {

/// Execution pipes of an SM, as Nsight Compute's documentation names them ("Hardware Model: Pipelines").
enum class Pipe {
  Tensor,    ///< MMAs
  Alu,       ///< LOP3, SHF, PRMT, IADD3, compares, selects
  Fma,       ///< FFMA, FMUL, FADD: heavy and light half
  FmaHeavy,  ///< IMAD, IDP: only the heavy half of the FMA pipe
  Fp16,      ///< HFMA2, HADD2, HMUL2
  Lsu,       ///< loads, stores, LDSM, LDGSTS, SHFL, atomics
  Xu,        ///< MUFU, I2F, F2I: 16 a clock
  Uniform,   ///< one a warp, on the uniform datapath
  Control,   ///< branches, barriers, waits, NOP
  Other,     ///< named, but none of these (FP64, texture)
  Unknown,   ///< opcode not in the table: counted and shown, never guessed
};
inline constexpr int kPipes = static_cast<int>(Pipe::Unknown) + 1;
std::string_view text(Pipe);

/// One SASS instruction.
struct Instruction {
  uint16_t opcode = 0;    ///< low 12 bits of its 16 bytes; bits 9–11 are the operand form
  std::string_view name;  ///< "IMAD"; empty when unknown
  Pipe pipe = Pipe::Unknown;
  int shared_bytes = 0;     ///< shared memory that a full warp reads or writes by it, by its width
  int global_bytes = 0;     ///< global memory that a full warp loads by it (LDG, LDGSTS), by its width
  bool predicated = false;  ///< a lane or warp may leave it out
  bool bulk = false;        ///< UBLKCP, UTMALDG: loads as many bytes as a register or a tensor map says
};

/// Warp-level instructions by pipe and by name (unknown ones as "?ab4").
///
/// Counted is what stands in the code: a predicated instruction counts as issued and as moving all its lanes' bytes,
/// and both sides of a branch count. So counts are what a warp issues at most on one pass; `predicated`, and a loop's
/// `conditional`, say how much of them may be left out.
struct Mix {
  std::array<int, kPipes> pipes{};
  std::map<std::string, int, std::less<>> names;
  int64_t shared_bytes = 0;  ///< read and written by a warp, bank conflicts not counted
  int64_t global_bytes =
      0;                ///< loaded by a warp (LDG, LDGSTS); what generic loads (LD) and bulk copies move is not in it
  int predicated = 0;   ///< instructions under a predicate
  int bulk_copies = 0;  ///< bulk copies into shared memory, whose bytes the code does not say

  int operator[](Pipe pipe) const { return pipes[static_cast<size_t>(pipe)]; }
  int named(std::string_view name) const;
  int total() const;
  /// All but NOPs that fill the schedule: what the SM issues.
  int issued() const;
  /// Alu + Fma + FmaHeavy + Fp16 + Xu: the work of the CUDA cores, which W4A8 has too much of.
  int cuda_core() const;
  void add(const Instruction&);
  void add(std::span<const Instruction>);
};

/// A backward branch and its target: instructions begin … end, inclusive.
struct Loop {
  int begin = 0;
  int end = 0;
  Mix mix;                            ///< of one trip, inner loops' bodies once
  std::optional<int64_t> trips = {};  ///< each time it is entered, where the code proves it; nothing: not known
  int conditional = 0;                ///< instructions of it that one of its forward branches leaps over
  int mma() const { return mix[Pipe::Tensor]; }
};

/// One kernel of a cubin.
struct EntryCode {
  std::string name;
  int architecture = 0;             ///< 80, 86, 89, 90, 100, 120
  int registers = 0;                ///< per thread
  int64_t static_shared_bytes = 0;  ///< declared by the kernel; the 1024 that sm_90+ cubins add for the system are left
                                    ///< out, because Device::shared_reserved_bytes counts them on every architecture
  int64_t stack_bytes = 0;          ///< per thread; spills live here
  std::vector<Instruction> instructions;
  Mix mix;                          ///< of the whole kernel
  std::vector<Loop> loops;          ///< by begin, outer before inner
  std::optional<size_t> main_loop;  ///< index of the loop that holds the most MMAs (the smallest of those)
  int unresolved_branches = 0;      ///< branches whose target could not be decoded: loops may be missing

  const Loop* main() const { return main_loop ? &loops[*main_loop] : nullptr; }
  int unknown() const { return mix[Pipe::Unknown]; }
};

/// Reads every kernel of a cubin (ELF64, little endian). Throws Fault::Input with a sentence for bytes that are not a
/// cubin, are cut short, or point outside themselves.
std::vector<EntryCode> read_cubin(std::span<const std::byte> cubin);

/// The same where a bad cubin is no fault: what was read, or the sentence why not.
struct CubinReading {
  std::vector<EntryCode> entries;
  std::string refused;  ///< "cubin: no opcode table for sm_75; …"; empty when it was read
};
CubinReading try_read_cubin(std::span<const std::byte> cubin);

/// An instruction, from the two halves of its 16 bytes, as the table of this architecture knows it.
Instruction decode(int architecture, uint64_t low, uint64_t high);

/// What one weight costs in a loop: instructions of a thread per weight that the thread's warp dequantises
/// (32 · warp instructions / weights).
struct PerWeight {
  double alu = 0;        ///< Pipe::Alu
  double fma = 0;        ///< Pipe::Fma + FmaHeavy + Fp16
  double cuda_core = 0;  ///< Mix::cuda_core()
  double issued = 0;     ///< Mix::issued()
};
/// `weights_per_mma`: distinct weights that a warp dequantises per MMA it issues. For m16n8k32 with weights on the n
/// side that is 8 · 32 / (m tiles of the warp), because each fragment feeds one MMA per m tile. Nothing when the loop
/// has no MMA.
std::optional<PerWeight> per_weight(const Loop& loop, double weights_per_mma);

/// A few lines for people: registers, loops, the main loop by pipe and by name.
std::string describe(const EntryCode& code);

}  // namespace qoq::roofline
