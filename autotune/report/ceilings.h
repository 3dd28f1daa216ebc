#pragma once
#include <string_view>
#include <vector>

#include "roofline/model/ceilings.h"

namespace qoq::report {

/// Reads GpuRow::ceilings, as tune writes it:
///   {"ceilings": [{"name": "DRAM (listed)", "kind": "memory", "value": 4800, "source": "datasheet: …"}, …]}
/// kind is memory (GB/s), tensor or cuda_core (TOPS). Empty for "{}". Throws Fault::Input when it is something else.
std::vector<roofline::Ceiling> ceilings_from_json(std::string_view text);

}  // namespace qoq::report
