#pragma once
#include <memory>

#include "kernels/family.h"

namespace qoq::ceiling {

/// ceiling/issue: "ceiling issue.ffma warps=4224 trips=256": every thread runs 256 of one instruction a trip, in
/// independent chains: issue.iadd3, .lop3, .imad, .prmt, .shf, .hfma2, .ffma. And "ceiling shared …": 256 loads of 16
/// bytes of shared memory without bank conflicts. work().ops counts threads' instructions.
std::unique_ptr<Family> make_issue_family();

}  // namespace qoq::ceiling
