// Opcodes were read off kernels compiled by NVRTC 12.8 and 13.0 for sm_80 … sm_120a and named by nvdisasm 13.5
// (tests/roofline/instruction_mix holds the table against nvdisasm where that is installed).
// Pipes follow Nsight Compute's "Kernel Profiling Guide: Pipelines" ([N]), the CUDA C++ Programming Guide's table of
// arithmetic throughput ([G]) and NVIDIA's answer "Separate CUDA core pipeline for FP16 and FP32" ([F]). What none of
// them says is marked "assumed".
#include "roofline/instruction_mix/opcodes.h"

#include <array>

namespace qoq::roofline {
namespace {

using enum Pipe;

constexpr Opcode kOpcodes[] = {
    // Matrix instructions. [N] "Tensor"
    {0x037, "IMMA", Tensor},
    {0x03c, "HMMA", Tensor},
    {0x07a, "QMMA", Tensor, 89, 120},
    {0x07f, "OMMA", Tensor, 120, 120},
    {0x1f0, "HGMMA", Tensor, 90, 90},
    {0x1f1, "IGMMA", Tensor, 90, 90},
    {0x1f3, "QGMMA", Tensor, 90, 90},
    {0x1ea, "UTCMMA", Tensor, 100, 103},  // UTCHMMA, UTCIMMA, UTCQMMA: told apart by other bits

    // Bits, integers, compares and selects. [N] "ALU: most bit manipulation and logic, integer without IMAD and IMUL"
    {0x002, "MOV", Alu},
    {0x003, "P2R", Alu},
    {0x004, "R2P", Alu},
    {0x007, "SEL", Alu},
    {0x008, "FSEL", Alu},
    {0x009, "FMNMX", Alu},
    {0x00a, "FSET", Alu},
    {0x00b, "FSETP", Alu},
    {0x00c, "ISETP", Alu},
    {0x00f, "VIMNMX3", Alu, 90, 103},
    {0x010, "IADD3", Alu},
    {0x011, "LEA", Alu},
    {0x012, "LOP3", Alu},
    {0x013, "IABS", Alu},
    {0x014, "VABSDIFF", Alu},
    {0x015, "VABSDIFF4", Alu},
    {0x016, "PRMT", Alu},
    {0x017, "IMNMX", Alu},
    {0x019, "SHF", Alu},
    {0x01a, "SGXT", Alu},
    {0x01b, "BMSK", Alu},
    {0x01c, "PLOP3", Alu},
    {0x035, "IADD.64", Alu, 120, 120},
    {0x036, "VIADD", Alu, 90, 120},
    {0x039, "I2IP", Alu},  // assumed
    {0x03e, "F2FP", Alu},  // [N] fast FP32-to-FP16 conversion
    {0x040, "HMNMX2", Alu},
    {0x043, "F2IP", Alu, 86, 120},  // assumed
    {0x045, "I2FP", Alu, 86, 120},  // assumed, as F2FP
    {0x046, "VIADDMNMX", Alu, 90, 103},
    {0x048, "VIMNMX", Alu, 90, 120},
    {0x006, "VOTE", Alu},
    {0x02f, "ELECT", Alu, 90, 120},  // assumed
    {0x1c2, "R2UR", Alu, 80, 89},    // assumed
    {0x0ca, "R2UR", Alu, 90, 120},   // assumed

    // Floating point, 32 bits. [N] "FMA"
    {0x020, "FMUL", Fma},
    {0x021, "FADD", Fma},
    {0x023, "FFMA", Fma},
    {0x049, "FFMA2", Fma, 100, 103},
    {0x04a, "FMUL2", Fma, 100, 103},
    {0x04b, "FADD2", Fma, 100, 103},
    {0x102, "FCHK", Xu},  // assumed
    // Integer multiplication and dot products. [N] "FMAHeavy", [F]
    {0x024, "IMAD", FmaHeavy},  // moves and shifts too: IMAD.MOV, IMAD.SHL
    {0x025, "IMAD.WIDE", FmaHeavy},
    {0x027, "IMAD.HI", FmaHeavy},
    {0x026, "IDP", FmaHeavy},
    // Halves. [F] sm_80: beside the tensor cores; from sm_86 on both halves of the FMA pipe
    {0x030, "HADD2", Fp16},
    {0x031, "HFMA2", Fp16},
    {0x032, "HMUL2", Fp16},
    {0x033, "HSET2", Fp16},
    {0x034, "HSETP2", Fp16},
    {0x035, "HFMA2.MMA", Fp16, 80, 90},

    // Transcendentals and conversions, 16 a clock. [N] "XU", [G]
    {0x108, "MUFU", Xu},
    {0x105, "F2I", Xu},
    {0x111, "F2I.64", Xu},
    {0x106, "I2F", Xu},
    {0x112, "I2F.64", Xu},
    {0x110, "F2F.64", Xu},
    {0x107, "FRND", Xu},
    {0x113, "FRND.64", Xu},
    {0x100, "FLO", Xu},
    {0x101, "BREV", Xu},
    {0x109, "POPC", Xu},

    // Loads, stores, atomics, copies, shuffles. [N] "LSU"
    {0x03b, "LDSM", Lsu},
    {0x044, "STSM", Lsu, 90, 120},
    {0x180, "LD", Lsu},
    {0x181, "LDG", Lsu},
    {0x182, "LDC", Lsu},  // constants: assumed here, for want of a pipe of their own
    {0x183, "LDL", Lsu},
    {0x184, "LDS", Lsu},
    {0x185, "ST", Lsu},
    {0x186, "STG", Lsu},
    {0x187, "STL", Lsu},
    {0x188, "STS", Lsu},
    {0x189, "SHFL", Lsu},
    {0x18a, "ATOM", Lsu},
    {0x18b, "ATOM.CAS", Lsu},
    {0x18c, "ATOMS", Lsu},
    {0x18d, "ATOMS.CAS", Lsu},
    {0x18e, "RED", Lsu, 80, 89},
    {0x18e, "REDG", Lsu, 90, 120},
    {0x18f, "CCTL", Lsu},
    {0x1a1, "MATCH", Lsu},  // assumed
    {0x1a3, "ATOMG", Lsu, 90, 120},
    {0x1a6, "REDG", Lsu, 90, 120},
    {0x1a7, "SYNCS", Lsu, 90, 120},
    {0x1a8, "ATOMG", Lsu},
    {0x1a9, "ATOMG.CAS", Lsu},
    {0x1ae, "LDGSTS", Lsu},
    {0x1af, "LDGDEPBAR", Lsu},
    {0x1b0, "ARRIVES", Lsu},
    {0x1b1, "SYNCS", Lsu, 90, 120},
    {0x1b2, "SYNCS", Lsu, 90, 120},
    {0x1b4, "UTMALDG", Lsu, 90, 120},
    {0x1b5, "UTMASTG", Lsu, 90, 120},
    {0x1b7, "UTMACMDFLUSH", Lsu, 90, 120},
    {0x1b9, "UTMACCTL", Lsu, 90, 120},
    {0x1ba, "UBLKCP", Lsu, 90, 120},
    {0x1bb, "UBLKRED", Lsu, 90, 120},
    {0x1bc, "UBLKPF", Lsu, 90, 120},
    {0x1bd, "STAS", Lsu, 90, 120},

    // The uniform datapath. [N] "Uniform"
    {0x04a, "UVIMNMX", Uniform, 120, 120},
    {0x054, "UFADD", Uniform, 120, 120},
    {0x056, "UFMUL", Uniform, 120, 120},
    {0x05e, "UI2FP", Uniform, 120, 120},
    {0x082, "UMOV", Uniform},
    {0x086, "VOTEU", Uniform},
    {0x087, "USEL", Uniform},
    {0x08c, "UISETP", Uniform},
    {0x090, "UIADD3", Uniform},
    {0x091, "ULEA", Uniform},
    {0x092, "ULOP3", Uniform},
    {0x096, "UPRMT", Uniform},
    {0x097, "UIADD3.64", Uniform, 120, 120},
    {0x099, "USHF", Uniform},
    {0x09c, "UPLOP3", Uniform},
    {0x0a4, "UIMAD", Uniform},
    {0x0a5, "UIMAD.WIDE", Uniform},
    {0x1ac, "LDCU", Uniform, 100, 120},
    {0x0b9, "ULDC", Uniform, 80, 90},
    {0x0bd, "UFLO", Uniform},
    {0x0bf, "UPOPC", Uniform},
    {0x0cb, "CS2UR", Uniform, 120, 120},
    {0x0cc, "CREDUX", Uniform, 100, 103},
    {0x1c3, "S2UR", Uniform},

    // Branches, barriers, waits. [N] "CBU", "ADU"
    {0x118, "NOP", Control},
    {0x11a, "DEPBAR", Control},
    {0x11b, "ENDCOLLECTIVE", Control, 90, 120},
    {0x11c, "B2R", Control},
    {0x11d, "BAR", Control},
    {0x141, "BSYNC", Control},
    {0x142, "BREAK", Control},
    {0x143, "CALL.ABS", Control},
    {0x144, "CALL.REL", Control},
    {0x145, "BSSY", Control},
    {0x146, "YIELD", Control},
    {0x147, "BRA", Control},
    {0x148, "WARPSYNC", Control},
    {0x149, "BRX", Control},
    {0x14a, "JMP", Control},
    {0x14d, "EXIT", Control},
    {0x14e, "LEPC", Control},
    {0x150, "RET", Control},
    {0x155, "BMOV", Control},
    {0x156, "BMOV", Control},
    {0x15c, "BPT", Control},
    {0x15d, "NANOSLEEP", Control},
    {0x192, "MEMBAR", Control},
    {0x1ab, "ERRBAR", Control, 80, 120, 4},
    {0x1ab, "CGAERRBAR", Control, 90, 120, 2},
    {0x1c5, "WARPGROUP", Control, 90, 90},
    {0x1c6, "FENCE", Control, 90, 120},
    {0x1c7, "UCGABAR_ARV", Control, 90, 120, 4},
    {0x1c7, "UCGABAR_WAIT", Control, 90, 120, 6},
    {0x02d, "PREEXIT", Control, 90, 120},
    {0x02e, "ACQBULK", Control, 90, 120},
    {0x04c, "UVIRTCOUNT", Control, 100, 103},
    {0x1e3, "UTCATOMSWS", Control, 100, 103},
    {0x1e9, "UTCBAR", Control, 100, 103},

    // Named, but on none of these pipes: special registers, FP64, texture, tensor memory, warp reductions.
    {0x005, "CS2R", Other},
    {0x119, "S2R", Other},
    {0x03a, "MOVM", Other},
    {0x1c4, "REDUX", Other},
    {0x028, "DMUL", Other},
    {0x029, "DADD", Other},
    {0x02a, "DSETP", Other},
    {0x02b, "DFMA", Other},
    {0x03f, "DMMA", Other},
    {0x160, "TEX", Other},
    {0x199, "SULD", Other},
    {0x19d, "SUST", Other},
    {0x1e7, "UTCCP", Other, 100, 103},
    {0x1ed, "STTM", Other, 100, 103},
    {0x1ee, "LDTM", Other, 100, 103},
};

constexpr int kArchitectures[] = {80, 86, 87, 89, 90, 100, 103, 120};

using Index = std::array<const Opcode*, 4096>;

Index make_index(int architecture) {
  Index index{};
  for (const Opcode& row : kOpcodes) {
    if (architecture < row.from || architecture > row.to) continue;
    for (unsigned form = 0; form < 8; ++form)
      if (row.form == 0 || row.form == form) index[form << 9 | row.code] = &row;
  }
  return index;
}

}  // namespace

bool known_architecture(int architecture) {
  for (int known : kArchitectures)
    if (known == architecture) return true;
  return false;
}

const Opcode* find_opcode(int architecture, uint16_t low_bits) {
  static const auto indices = [] {
    std::array<Index, std::size(kArchitectures)> all;
    for (size_t i = 0; i < all.size(); ++i) all[i] = make_index(kArchitectures[i]);
    return all;
  }();
  for (size_t i = 0; i < std::size(kArchitectures); ++i)
    if (kArchitectures[i] == architecture) return indices[i][low_bits & 0xfff];
  return nullptr;
}

}  // namespace qoq::roofline
