#pragma once
#include <functional>
#include <memory>

#include "autotune/worker/protocol.h"
#include "autotune/worker/worker.h"

namespace qoq::worker {

/// How a child process ends of itself.
enum class ChildExit {
  Done = 0,         ///< nobody asks any more
  NoGpu = 1,        ///< it said so in its Hello
  ContextLost = 86  ///< after the answer that said so: nothing more can run in it
};

/// Says `hello`, then answers requests, one after the other, until the asker is gone or an answer says that the context
/// is lost. What the GPU throws is an answer too.
ChildExit serve(Gpu& gpu, const Hello& hello, int in, int out);

/// The whole life of a child process: owns the GPU that `open` gives and serves it; ends with the process that asks,
/// even while a kernel hangs, and only with it: an interruption at the terminal (SIGINT, SIGTERM, SIGHUP) is the
/// parent's business. Where the context is lost it does not return: to tidy up a lost context may hang.
ChildExit run_child(const std::function<std::unique_ptr<Gpu>()>& open, int in, int out);

}  // namespace qoq::worker
