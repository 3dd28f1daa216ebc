// How the measured times came about, how far they can be trusted, and what the GPU's counters say of the winners.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"

namespace qoq::report {
namespace {

constexpr double least_judged_us = 20;  // in shorter runs what events add at both ends weighs too much
constexpr double agreement = 0.02;

Cell missing(std::string why = "") { return {.text = "—", .note = std::move(why)}; }

/// A list of contexts can be as long as the batch.
Cell problem_cell(const ProblemFacts& facts, std::string note) {
  return {.text = shorten(facts.problem.text, 90),
          .style = Cell::Style::Code,
          .note = std::move(note),
          .hover = facts.problem.text.size() <= 90 ? facts.label : facts.problem.text};
}

/// Of problem and variant; a race may have had another winner since the row was looked into.
Cell row_cell(const ProblemFacts& facts, const ProfiledRow& row) {
  const bool lost = facts.race && facts.race->winner != row.variant;
  return problem_cell(facts, row.variant + (lost ? " (an earlier winner)" : ""));
}

/// Reasons that many problems share are said once.
class Reasons {
 public:
  void add(const std::string& name, const std::string& reason) {
    const auto same = [&](const Entry& entry) { return entry.name == name && entry.reason == reason; };
    auto found = std::ranges::find_if(entries_, same);
    if (found == entries_.end()) found = entries_.insert(entries_.end(), {name, reason});
    ++found->rows;
  }
  bool empty() const { return entries_.empty(); }
  void put(Document& document) const {
    Fields fields;
    for (const Entry& entry : entries_)
      fields.rows.emplace_back(entry.name,
                               fmt::format("{} ({})", shorten(entry.reason, 300), plural(entry.rows, "row")));
    if (!fields.rows.empty()) document.add(std::move(fields));
  }

 private:
  struct Entry {
    std::string name, reason;
    int64_t rows = 0;
  };
  std::vector<Entry> entries_;
};

// ---- samples

std::vector<Cell> counts_row(std::string whose, const SampleCounts& counts) {
  const auto number = [](int64_t count) {
    return Cell{.text = count_text(count), .number = static_cast<double>(count)};
  };
  Cell discarded = number(counts.discarded);
  if (counts.discarded > 0) discarded.note = "of " + plural(counts.discarding_rows, "row");
  return {
      {.text = std::move(whose)}, number(counts.rows), number(counts.kept), discarded, number(counts.throttled_rows)};
}

void add_samples(const GpuFacts& gpu, Document& document) {
  const store::Environment& e = gpu.row.environment;
  const int64_t discarded = gpu.samples.discarded + gpu.baseline_samples.discarded;
  document.add(Paragraph{fmt::format(
      "Timed by CUDA events; cache {}, launch {}. {} thrown away because throttling held the clocks back "
      "or they had dropped.",
      e.cache_mode, e.launch_mode,
      discarded == 0 ? "No sample was"
                     : fmt::format("{} {}", plural(discarded, "sample"), discarded == 1 ? "was" : "were"))});
  Table table{.columns = {{"kernels", false, ""},
                          {"measured rows", true, ""},
                          {"samples kept", true, ""},
                          {"thrown away", true, "since the clocks were held back or had dropped; none is in a median"},
                          {"rows that saw throttling", true,
                           "the GPU gave a reason while they were sampled; under a power cap alone a sample is kept "
                           "as long as its clock did not drop"}}};
  table.rows.push_back(counts_row("ours", gpu.samples));
  if (gpu.baseline_samples.rows > 0) table.rows.push_back(counts_row("other libraries'", gpu.baseline_samples));
  document.add(std::move(table));
}

// ---- races

void add_races(const GpuFacts& gpu, Document& document) {
  Table table{.columns = {{"problem", false, "below: where the job has it from"},
                          {"winner", false, ""},
                          {"incumbent", false, "the one that ties go to, by what differs from the winner"},
                          {"why", false, "medians with their intervals; the finalists ran in turns"}},
              .searchable = true};
  int64_t replaced = 0;
  for (const ProblemFacts& facts : gpu.problems) {
    if (!facts.race) continue;
    const store::RaceRow& race = *facts.race;
    const bool held = race.winner == race.incumbent;
    replaced += held ? 0 : 1;
    Cell winner{.text = race.winner, .style = Cell::Style::Code};
    if (!facts.chosen_variant.empty() && facts.chosen_variant != race.winner)
      winner.note = "not the one chosen above, " + difference(facts.chosen_variant, race.winner);
    Cell incumbent{.text = "the winner"};
    if (!held)
      incumbent = {
          .text = difference(race.incumbent, race.winner), .style = Cell::Style::Code, .hover = race.incumbent};
    table.rows.push_back({problem_cell(facts, shorten(facts.label, 90)), winner, incumbent, {.text = race.reason}});
  }
  if (table.rows.empty()) return;
  document.add(Heading{4, "Races of the fastest variants", "", ""});
  document.add(Paragraph{fmt::format("In {} of {} the incumbent lost its place.", count_text(replaced),
                                     plural(static_cast<int64_t>(table.rows.size()), "race"))});
  document.add(std::move(table));
}

// ---- cross-check

/// "agrees", "differs", or that the run is too short to judge.
Cell verdict_cell(const CrossCheckFacts& check, double difference) {
  if (check.events_us <= least_judged_us) return missing("too short to judge");
  return {.text = std::abs(difference) <= agreement ? "agrees" : "differs", .style = Cell::Style::Badge};
}

std::string agreement_text(int64_t checked, int64_t judged, int64_t agree) {
  if (judged == 0)
    return fmt::format("None of the {} takes more than {:g} µs, below which the events' own time weighs too much.",
                       plural(checked, "checked row"), least_judged_us);
  return fmt::format(
      "Within {:g} % of CUPTI Activity's time, of the checked rows above {:g} µs: {} of {}. In shorter ones the "
      "events' "
      "own time weighs too much.",
      agreement * 100, least_judged_us, count_text(agree), count_text(judged));
}

void add_cross_check(const GpuFacts& gpu, Document& document) {
  Table table{.columns = {{"problem", false, "below: the variant"},
                          {"events µs", true, "median of one run between CUDA events"},
                          {"activity µs", true,
                           "median of the same runs by CUPTI Activity: as events from begin to begin where runs are "
                           "queued one behind the other"},
                          {"kernels µs", true, "by CUPTI Activity, without the waits between two kernels"},
                          {"events / activity − 1", true, ""},
                          {"verdict", false, "whether both lie within 2 %, in runs of more than 20 µs"}},
              .searchable = true};
  Reasons reasons;
  int64_t judged = 0, agree = 0;
  for (const ProblemFacts& facts : gpu.problems) {
    for (const ProfiledRow& row : facts.profiled) {
      if (!row.cross_check) continue;
      const CrossCheckFacts& check = *row.cross_check;
      if (!check.missing.empty()) {
        reasons.add("not cross-checked", check.missing);
        continue;
      }
      const double difference = check.events_us / check.activity_us - 1;
      if (check.events_us > least_judged_us) {
        ++judged;
        agree += std::abs(difference) <= agreement ? 1 : 0;
      }
      Cell kernels = missing();
      if (check.kernels_us > 0) kernels = {.text = time_text(check.kernels_us), .number = check.kernels_us};
      table.rows.push_back({row_cell(facts, row),
                            {.text = time_text(check.events_us), .number = check.events_us},
                            {.text = time_text(check.activity_us), .number = check.activity_us},
                            kernels,
                            {.text = signed_percent_text(difference), .number = difference},
                            verdict_cell(check, difference)});
    }
  }
  const auto checked = static_cast<int64_t>(table.rows.size());
  if (checked == 0 && reasons.empty()) return;
  document.add(Heading{4, "Events beside CUPTI Activity", "", ""});
  if (checked > 0) {
    document.add(Paragraph{agreement_text(checked, judged, agree)});
    document.add(std::move(table));
  }
  reasons.put(document);
}

// ---- counters

struct Stall {
  std::string_view counter, words;
};
/// What a resident warp waits for (CUPTI's names in autotune/counters/table.cpp). "selected" is no
/// stall.
constexpr Stall stalls[] = {
    {"stall_barrier_pct", "other warps at a barrier"},
    {"stall_branch_resolving_pct", "a branch's target"},
    {"stall_dispatch_pct", "the dispatcher"},
    {"stall_drain_pct", "its last stores"},
    {"stall_gmma_pct", "a warpgroup's matrix multiplication"},
    {"stall_imc_miss_pct", "constants"},
    {"stall_lg_throttle_pct", "room in the queue of global and local memory"},
    {"stall_long_scoreboard_pct", "data from DRAM, L2 or L1"},
    {"stall_math_pipe_throttle_pct", "a busy arithmetic pipe"},
    {"stall_membar_pct", "a memory fence"},
    {"stall_mio_throttle_pct", "room in the queue of shared memory and special functions"},
    {"stall_misc_pct", "other reasons"},
    {"stall_no_instruction_pct", "instructions to be fetched"},
    {"stall_not_selected_pct", "its turn, another warp issuing"},
    {"stall_short_scoreboard_pct", "data from shared memory or special functions"},
    {"stall_sleeping_pct", "the end of a sleep"},
    {"stall_tex_throttle_pct", "room in the queue of textures"},
    {"stall_wait_pct", "the fixed time of its last instruction"},
};

std::optional<double> value_of(const CounterFacts& counters, std::string_view name) {
  const auto found = counters.values.find(std::string(name));
  return found == counters.values.end() ? std::nullopt : std::optional(found->second);
}

/// Of cycles, drawn as a bar.
Cell share_cell(const CounterFacts& counters, std::string_view name) {
  const auto percent = value_of(counters, name);
  if (!percent) return missing();
  const double share = *percent / 100;
  return {.text = percent_text(share), .number = share, .share = std::clamp(share, 0.0, 1.0)};
}

std::string bytes_text(double bytes) {
  for (const auto& [scale, unit] : {std::pair{1e9, "GB"}, std::pair{1e6, "MB"}, std::pair{1e3, "kB"}}) {
    if (bytes >= 0.9995 * scale) return fmt::format("{:.{}f} {}", bytes / scale, bytes < 99.95 * scale ? 2 : 1, unit);
  }
  return fmt::format("{:.0f} B", bytes);
}

Cell dram_cell(const CounterFacts& counters, const store::ProblemRow& problem) {
  const auto read = value_of(counters, "dram_read_bytes");
  if (!read) return missing();
  if (problem.read_bytes <= 0) return {.text = bytes_text(*read), .number = *read};
  const double ratio = *read / problem.read_bytes;
  return {.text = bytes_text(*read),
          .note = fmt::format("{} of {}", ratio_text(ratio), bytes_text(problem.read_bytes)),
          .number = ratio};
}

Cell conflicts_cell(const CounterFacts& counters) {
  const auto conflicts = value_of(counters, "bank_conflicts");
  if (!conflicts) return missing();
  Cell cell{.text = count_text(std::llround(*conflicts)), .number = *conflicts};
  constexpr double turn_bytes = 128;
  const auto bytes = value_of(counters, "shared_bytes");
  if (bytes && *bytes > 0) cell.note = percent_text(*conflicts * turn_bytes / *bytes) + " of turns";
  return cell;
}

Cell stalls_cell(const CounterFacts& counters) {
  constexpr size_t most = 3;
  constexpr double least_pct = 5;
  std::vector<std::pair<double, std::string_view>> found;
  for (const Stall& stall : stalls) {
    const auto percent = value_of(counters, stall.counter);
    if (percent && *percent >= least_pct) found.emplace_back(*percent, stall.words);
  }
  std::ranges::stable_sort(found, std::greater{}, &std::pair<double, std::string_view>::first);
  if (found.size() > most) found.resize(most);
  std::string text;
  for (const auto& [percent, words] : found)
    text += fmt::format("{}{:.0f} % {}", text.empty() ? "" : "; ", percent, words);
  return text.empty() ? missing() : Cell{.text = text};
}

Table counters_table() {
  const std::string share = "share of cycles in which the SMs had work";
  return {.columns = {{"problem", false, "below: the variant"},
                      {"its warps wait for", false, "the largest reasons, as a share of resident warps' cycles"},
                      {"tensor", true, share + ": tensor pipe busy"},
                      {"alu", true, share + ": integer and logic pipe busy"},
                      {"fma", true, share + ": multiply-add pipe busy"},
                      {"lsu", true, "load and store instructions, against the most that can be issued"},
                      {"xu", true, "conversions and special functions, against the most that can be issued"},
                      {"DRAM read", true, "below: how often that is the least that the problem must read"},
                      {"bank conflicts", true, "extra turns of shared memory; below: their share of all its turns"},
                      {"occupancy", true, "resident warps, of the most that an SM holds"}},
          .searchable = true};
}

/// What every reader of counters must know.
std::string counting_text(int64_t fewest, int64_t most) {
  const std::string passes =
      fewest == most ? count_text(most) : fmt::format("{} to {}", count_text(fewest), count_text(most));
  return fmt::format(
      "No time in this report comes from a counter pass: counting slows a kernel down and repeats it ({} passes a "
      "row), apart from all timing and with the caches flushed before each pass, whatever the cache mode of the times.",
      passes);
}

void add_counters(const GpuFacts& gpu, Document& document) {
  Table table = counters_table();
  Reasons reasons;
  int64_t fewest = 0, most = 0;
  for (const ProblemFacts& facts : gpu.problems) {
    for (const ProfiledRow& row : facts.profiled) {
      if (!row.counters) continue;
      const CounterFacts& counters = *row.counters;
      if (counters.rung != "counters") {
        reasons.add(fmt::format("no counters, only {}", counters.rung.empty() ? "times" : counters.rung),
                    counters.reason.empty() ? "no reason was recorded" : counters.reason);
        continue;
      }
      fewest = table.rows.empty() ? counters.passes : std::min(fewest, counters.passes);
      most = std::max(most, counters.passes);
      std::vector<Cell> cells = {row_cell(facts, row), stalls_cell(counters)};
      for (const char* pipe : {"tensor", "alu", "fma", "lsu", "xu"})
        cells.push_back(share_cell(counters, fmt::format("{}_active_pct", pipe)));
      cells.insert(cells.end(), {dram_cell(counters, facts.problem), conflicts_cell(counters),
                                 share_cell(counters, "occupancy_pct")});
      table.rows.push_back(std::move(cells));
    }
  }
  if (table.rows.empty() && reasons.empty()) return;
  document.add(Heading{4, "Counters of the winners", "", ""});
  if (!table.rows.empty()) {
    document.add(Paragraph{counting_text(fewest, most)});
    document.add(std::move(table));
  } else {
    document.add(Paragraph{"No time in this report comes from a counter pass."});
  }
  reasons.put(document);
}

}  // namespace

void add_measuring(const GpuFacts& gpu, Document& document) {
  if (gpu.samples.rows + gpu.baseline_samples.rows == 0) return;
  document.add(Heading{3, "Measuring", gpu.id() + "-measuring", ""});
  add_samples(gpu, document);
  add_races(gpu, document);
  add_cross_check(gpu, document);
  add_counters(gpu, document);
}

}  // namespace qoq::report
