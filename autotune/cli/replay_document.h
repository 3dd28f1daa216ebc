#pragma once
#include <span>

#include "autotune/replay/replay.h"
#include "autotune/report/document.h"

namespace qoq::cli {

/// A figure of every space: how near to its best each strategy was over the evaluations.
std::vector<report::Figure> replay_figures(std::span<const replay::SpaceResult> results, int seeds);

/// A page with every space's figure and table.
report::Document replay_document(std::span<const replay::SpaceResult> results, int seeds);

}  // namespace qoq::cli
