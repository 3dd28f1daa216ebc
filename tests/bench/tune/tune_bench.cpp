// The demo job's own speed: real variants compiled cold, and a second run answered from the cache and the database.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/tune/tune.h"

namespace qoq {
namespace {

namespace fs = std::filesystem;

/// A folder that goes away with its owner.
struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("qoqtune-tune-bench-{}", ::getpid());
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
};

/// The first `count` different sources of the demo's space for its per-group problems, QServe's point first.
std::vector<Source> demo_sources(const job::Job& job, size_t count) {
  std::map<std::string, Source> sources;
  for (const job::WorkItem& item : job.work) {
    if (item.problem.scheme != "w4a8-g128") continue;
    const Family& family = *families_for(item.problem).front();
    std::vector<Point> points{*family.published(item.problem)};
    const auto strategy =
        search::make_strategy({"random", static_cast<int64_t>(count), 1}, tune::space_of(job, family, item.problem));
    for (auto batch = strategy->ask(); !batch.empty(); batch = strategy->ask())
      points.insert(points.end(), batch.begin(), batch.end());
    for (const Point& point : points) {
      Source source = family.source(point, item.problem);
      if (sources.size() < count) sources.try_emplace(source.text, source);
    }
  }
  std::vector<Source> list;
  for (auto& [text, source] : sources) list.push_back(std::move(source));
  return list;
}

/// Target: ≥ 8 variants/s on 2 cores.
void compile_demo_variants_cold_sm80(benchmark::State& state) {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) return state.SkipWithError(nvrtc.reason.c_str());
  const auto sources = demo_sources(job::load_job("llama-3-8b"), 48);
  for (auto _ : state) {
    const Folder cache;
    compile::NvrtcCompiler compiler(nvrtc, "sm_80", cache.path, 2);
    for (const compile::Build& build : compiler.build(sources, {}, {})) {
      if (!build.ok || build.from_cache) state.SkipWithError("a build was not what it should be");
    }
  }
  state.counters["variants/s"] =
      benchmark::Counter(static_cast<double>(sources.size() * state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(compile_demo_variants_cold_sm80)->UseRealTime()->Unit(benchmark::kMillisecond);

/// Proves nothing and is not asked: a rerun finds everything in the database.
class NoProof final : public tune::Proof {
 public:
  size_t batch() const override { return 64; }
  std::vector<verify::Verdict> prove(const std::vector<tune::Built>& built, std::stop_token) override {
    verify::Verdict verdict;
    verdict.status = verify::Verdict::Status::Ok;
    verdict.where = "emulator";
    return std::vector<verify::Verdict>(built.size(), verdict);
  }
};

/// Target: ≥ 500 candidates/s. The first run's proofs are left out, so that the bench is short; the second run, which
/// is timed, would not repeat them. With `database` false the rows are gone too and cubins come from the cache.
void rerun_demo(benchmark::State& state, bool database) {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) return state.SkipWithError(nvrtc.reason.c_str());
  const job::Job job = job::load_job("llama-3-8b");
  const search::Settings settings{"random", 30, 1};
  const Folder folder;
  const auto run = [&](const char* name) {
    store::Store store = store::Store::open(folder.path / name, store::Mode::ReadWrite);
    std::vector<tune::Workshop> shops;
    tune::Workshop shop;
    shop.target = tune::resolve_targets({"sim:a100-80"}).front();
    shop.compiler =
        std::make_unique<compile::NvrtcCompiler>(nvrtc, shop.target.device.architecture(), folder.path / "cache", 2);
    shop.proof = std::make_shared<NoProof>();
    shop.clock = tune::make_predicting_clock(shop.target);
    shops.push_back(std::move(shop));
    tune::Progress progress(0, true);
    const tune::Summary summary = tune::tune(job, shops, store, settings, progress, {});
    uint64_t count = summary.known;
    for (const auto& [outcome, recorded] : summary.outcomes) count += recorded;
    return count;
  };
  run("first.db");
  uint64_t candidates = 0;
  int serial = 0;
  for (auto _ : state) candidates += run(database ? "first.db" : fmt::format("again{}.db", serial++).c_str());
  state.counters["candidates/s"] = benchmark::Counter(static_cast<double>(candidates), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(rerun_demo, from_database, true)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(rerun_demo, from_cache_only, false)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace qoq
