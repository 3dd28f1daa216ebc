#include "autotune/compile/build_all.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "kernels/base/digest.h"

namespace qoq::compile {

namespace {

/// One distinct source that the cache lacks.
struct Missing {
  std::string key;
  const Source* source = nullptr;
  std::string damage;  ///< of its cache entry, if there was one
};

Build cancelled_build(const std::string& key) {
  Build build;
  build.cancelled = true;
  build.key = key;
  return build;
}

/// What a worker hands to the thread that called build().
struct Result {
  size_t missing = 0;  ///< index
  Build build;
  std::exception_ptr fault;
};

/// Results on their way from the workers to the caller.
class Queue {
 public:
  void push(Result result) {
    const std::lock_guard lock(mutex_);
    results_.push_back(std::move(result));
    ready_.notify_one();
  }
  Result pop() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return !results_.empty(); });
    Result result = std::move(results_.front());
    results_.pop_front();
    return result;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Result> results_;
};

void build_group(const BuildAll& all, std::span<const Missing> group, size_t first, std::stop_token stop,
                 Queue& results) {
  const TemporaryFolder work = all.cache.work_folder();
  std::vector<const Source*> sources;
  for (const Missing& missing : group) sources.push_back(missing.source);
  std::vector<Compiled> compiled = all.compile(sources, work.path(), stop);
  for (size_t i = 0; i < group.size(); ++i) {
    Build build = std::move(compiled[i].build);
    build.key = group[i].key;
    if (build.ok) build = all.cache.store(group[i].key, group[i].source->text, compiled[i].object, std::move(build));
    if (!group[i].damage.empty()) build.log = group[i].damage + "\n" + build.log;
    results.push({first + i, std::move(build), nullptr});
  }
}

/// Compiles what is missing; calls finish(index into missing, build) on this thread. Ends early only by a throw.
void build_missing(const BuildAll& all, std::span<const Missing> missing, std::stop_token stop,
                   const std::function<void(size_t, const Build&)>& finish) {
  const auto jobs = static_cast<size_t>(std::max(all.jobs, 1));
  const size_t step = std::clamp<size_t>((missing.size() + jobs - 1) / jobs, 1, all.group_size);
  const size_t group_count = (missing.size() + step - 1) / step;

  Queue results;
  std::atomic<size_t> next{0};
  std::stop_source quit;  // the caller's stop, or a throw below
  const std::stop_callback forward(stop, [&quit] { quit.request_stop(); });
  std::vector<std::jthread> workers;
  struct QuitFirst {  // before the workers are joined, however this function ends
    std::stop_source& source;
    ~QuitFirst() { source.request_stop(); }
  } const quit_first{quit};

  const auto work = [&] {
    for (size_t group = next++; group < group_count; group = next++) {
      const size_t first = group * step;
      const size_t count = std::min(step, missing.size() - first);
      try {
        if (!quit.stop_requested()) {
          build_group(all, missing.subspan(first, count), first, quit.get_token(), results);
          continue;
        }
        for (size_t i = 0; i < count; ++i) {
          results.push({first + i, cancelled_build(missing[first + i].key), nullptr});
        }
      } catch (...) {
        results.push({first, {}, std::current_exception()});
      }
    }
  };
  for (size_t i = 0; i < std::min(jobs, group_count); ++i) workers.emplace_back(work);

  for (size_t received = 0; received < missing.size(); ++received) {
    const Result result = results.pop();
    if (result.fault) std::rethrow_exception(result.fault);
    finish(result.missing, result.build);
  }
}

}  // namespace

std::vector<Build> BuildAll::operator()(std::span<const Source> sources, const Done& done, std::stop_token stop) const {
  const IncludeDigests includes(headers);
  std::vector<Build> builds(sources.size());
  std::unordered_map<std::string, std::vector<size_t>> places;  // of each distinct source
  std::vector<std::string> keys;                                // distinct, in order
  for (size_t i = 0; i < sources.size(); ++i) {
    std::string key = digest(identity + "\n" + includes.of(sources[i].text));
    auto& same = places[key];
    if (same.empty()) keys.push_back(std::move(key));
    same.push_back(i);
  }
  const auto finish = [&](const Build& build) {
    for (const size_t place : places.at(build.key)) {
      builds[place] = build;
      if (done && !build.cancelled) done(place, build);
    }
  };

  std::vector<Missing> missing;
  for (std::string& key : keys) {
    if (stop.stop_requested()) {
      finish(cancelled_build(key));
      continue;
    }
    Cache::Found found = cache.find(key);
    if (found.build) {
      finish(*found.build);
    } else {
      missing.push_back({key, &sources[places.at(key).front()], std::move(found.damage)});
    }
  }
  if (!missing.empty()) build_missing(*this, missing, stop, [&](size_t, const Build& build) { finish(build); });
  return builds;
}

}  // namespace qoq::compile
