#include "kernels/runtime/graph.h"

#include "kernels/base/error.h"
#include "kernels/runtime/driver.h"

namespace qoq::runtime {

#ifdef QOQ_HAS_CUDA_HEADERS

Graph Graph::record(const Stream& stream, const std::function<void()>& queue) {
  const Driver& cuda = Driver::get();
  // Thread-local: calls of other threads on other streams are none of this capture's business.
  cuda.check(cuda.cuStreamBeginCapture(stream.get(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "beginning a graph");
  CUgraph recorded = nullptr;
  try {
    queue();
  } catch (...) {
    cuda.cuStreamEndCapture(stream.get(), &recorded);  // else the stream records for ever
    if (recorded != nullptr) cuda.cuGraphDestroy(recorded);
    throw;
  }
  cuda.check(cuda.cuStreamEndCapture(stream.get(), &recorded), "ending a graph");
  CUgraphExec ready = nullptr;
  const CUresult result = cuda.cuGraphInstantiate(&ready, recorded, 0);
  cuda.cuGraphDestroy(recorded);
  cuda.check(result, "making a graph ready");
  Graph graph;
  graph.graph_ = {ready, [&cuda](CUgraphExec made) { cuda.cuGraphExecDestroy(made); }};
  return graph;
}

void Graph::launch(const Stream& stream) const {
  Driver::get().check(Driver::get().cuGraphLaunch(graph_.get(), stream.get()), "launching a graph");
}

#else

Graph Graph::record(const Stream&, const std::function<void()>&) { fail("{}", Driver::get().reason); }
void Graph::launch(const Stream&) const { fail("{}", Driver::get().reason); }

#endif

}  // namespace qoq::runtime
