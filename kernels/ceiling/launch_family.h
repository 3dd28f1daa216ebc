#pragma once
#include <memory>

#include "kernels/family.h"

namespace qoq::ceiling {

/// ceiling/launch: "ceiling launch ctas=1": CTAs that store one word each and end. Their time is what launching costs.
std::unique_ptr<Family> make_launch_family();

}  // namespace qoq::ceiling
