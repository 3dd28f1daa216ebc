#pragma once
#include <string>
#include <vector>

#include "kernels/families.h"

namespace qoq::roofline {

/// A kernel of ours to look into.
struct SampledKernel {
  std::string name;  ///< family and variant
  NamedVariant variant;
};

/// A kernel of every family and scheme, of every form of dequantisation, and of the plain kernels that check them:
/// legal points on the device, drawn by the seed. A family that has none on this device (wgmma before sm_90) is left
/// out.
std::vector<SampledKernel> sample_kernels(const Device& device, unsigned seed);

}  // namespace qoq::roofline
