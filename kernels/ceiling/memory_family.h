#pragma once
#include <memory>

#include "kernels/family.h"

namespace qoq::ceiling {

/// ceiling/read: "ceiling read mb=1024": every 16 bytes of a buffer of 2^20 · mb bytes are loaded once.
std::unique_ptr<Family> make_read_family();

/// ceiling/copy: "ceiling copy mb=512": every 16 bytes of such a buffer are loaded once and stored in another.
std::unique_ptr<Family> make_copy_family();

/// ceiling/l2: "ceiling l2 mb=16 reads=64": such a buffer, mb a power of two, is read over and over past L1, by all
/// SMs. Its bytes are traffic().l2_read_bytes; work() has the buffer once.
std::unique_ptr<Family> make_l2_family();

}  // namespace qoq::ceiling
