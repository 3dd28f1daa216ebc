#pragma once
#include <memory>

#include "kernels/family.h"

namespace qoq::ceiling {

/// ceiling/read: "ceiling read mb=1024": every 16 bytes of a buffer of 2^20 · mb bytes are loaded once; each CTA leaves
/// the exclusive-or of what it saw.
std::unique_ptr<Family> make_read_family();

}  // namespace qoq::ceiling
