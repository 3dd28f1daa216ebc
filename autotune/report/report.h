#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autotune/store/store.h"

namespace qoq::report {

/// The variant that selection deploys for a problem on a GPU, and how it was found. A problem without one is shown by
/// its fastest row, and the report says so.
struct Chosen {
  int64_t environment = 0;   ///< EnvironmentRow::id
  std::string problem = {};  ///< ProblemRow::text
  std::string variant = {};
  std::string how = {};  ///< "exact", "between", "default"
};

/// The one layout chosen for problems that read the same weights, and what that cost.
struct LayoutChoice {
  int64_t environment = 0;
  std::string op = {};                                      ///< "gemm"
  std::string scheme = {};                                  ///< "w4a8-g128"
  std::string group = {};                                   ///< ProblemRow::layout_group: "n=28672 k=4096"
  std::string layout = {};                                  ///< "qserve"
  double chosen_us = 0;                                     ///< weighted time of the group in the chosen layout
  double free_us = 0;                                       ///< weighted time if each problem could take its own layout
  std::vector<std::pair<std::string, double>> others = {};  ///< the layouts not chosen, with their weighted time in µs
  std::vector<std::string> unserved = {};  ///< problems of the group without a usable row in the layout; in no sum
};

struct Options {
  bool redact = false;            ///< replace UUIDs, absolute paths and this machine's host name everywhere
  std::string command_line = {};  ///< what the user ran; shown as it is, empty: not shown
  std::string generated_at = {};  ///< UTC; empty: not shown, so that the same store and options give the same bytes
};

struct Files {
  std::string html;      ///< one file, opens offline, asks nothing of any network
  std::string markdown;  ///< the same tables
  std::string csv;       ///< every candidate of every environment, one row each, RFC 4180
  std::vector<std::pair<std::string, std::string>> figures = {};  ///< pictures (SVG) of the Markdown, by file name
};

/// Renders the reports of everything in the store. Every number bears its source; rows of different sources are never
/// compared. An empty store gives reports that say so. Throws what the store throws.
Files render(const store::Store& store, const std::vector<Chosen>& chosen, const std::vector<LayoutChoice>& layouts,
             const Options& options = {});

/// render(), then writes report.html, report.md, candidates.csv and figures/*.svg into the folder (made where missing),
/// each atomically. Throws Fault::Work on a read-only or full disk.
void write(const store::Store& store, const std::vector<Chosen>& chosen, const std::vector<LayoutChoice>& layouts,
           const std::filesystem::path& folder, const Options& options = {});

}  // namespace qoq::report
