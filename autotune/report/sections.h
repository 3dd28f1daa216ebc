#pragma once
#include <span>
#include <string_view>

#include "autotune/report/document.h"
#include "autotune/report/facts.h"

namespace qoq::report {

/// A section of the whole report: one file <name>.cpp, one line in sections.cpp.
struct Section {
  std::string_view name;
  void (*add)(const Facts&, Document&);
};

/// A section that every GPU gets: one file <name>.cpp, one line in sections.cpp.
struct GpuSection {
  std::string_view name;
  void (*add)(const GpuFacts&, Document&);
};

void add_summary(const Facts&, Document&);
void add_roofline(const GpuFacts&, Document&);
void add_problems(const GpuFacts&, Document&);
void add_problem_details(const GpuFacts&, Document&);
void add_search_progress(const GpuFacts&, Document&);
void add_measuring(const GpuFacts&, Document&);
void add_baselines(const GpuFacts&, Document&);
void add_layouts(const GpuFacts&, Document&);
void add_failures(const GpuFacts&, Document&);
void add_environment(const GpuFacts&, Document&);
void add_absent(const GpuFacts&, Document&);
void add_anchors(const Facts&, Document&);
void add_provenance(const Facts&, Document&);

std::span<const Section> opening_sections();
std::span<const GpuSection> gpu_sections();
std::span<const Section> closing_sections();

/// The whole report in order: opening, each GPU, closing.
Document make_document(const Facts& facts);

}  // namespace qoq::report
