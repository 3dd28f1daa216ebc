#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "roofline/model/model.h"

namespace qoq::report {

/// GpuRow::ceilings, written when a GPU is tuned and read when it is reported:
///   {"ceilings": [{"name": "DRAM (listed)", "kind": "memory", "value": 4800, "source": "datasheet"}, …]}
/// kind is memory (GB/s), tensor or cuda_core (TOPS).
std::string ceilings_to_json(std::span<const roofline::Ceiling> ceilings);

/// The reverse; empty for "{}". Throws Fault::Input when the text is something else.
std::vector<roofline::Ceiling> ceilings_from_json(std::string_view text);

}  // namespace qoq::report
