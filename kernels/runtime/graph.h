#pragma once
#include <functional>
#include <memory>

#include "kernels/runtime/cuda_device.h"

struct CUgraphExec_st;

namespace qoq::runtime {

/// A CUDA graph: work recorded once, then launched as one. (CUDA C++ Programming Guide, "Stream Capture".)
/// Throws Fault::Work with the driver's words.
class Graph {
 public:
  /// Records what `queue` puts on the stream; nothing runs meanwhile.
  static Graph record(const Stream& stream, const std::function<void()>& queue);
  void launch(const Stream& stream) const;

 private:
  std::shared_ptr<CUgraphExec_st> graph_;
};

}  // namespace qoq::runtime
