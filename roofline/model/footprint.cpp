#include "roofline/model/footprint.h"

namespace qoq::roofline {
namespace {

Footprint::Counts count(const Mix& mix) { return {mix.pipes, mix.issued(), mix.named("BAR"), mix.shared_bytes}; }

Footprint::Counts operator-(Footprint::Counts all, const Footprint::Counts& part) {
  for (size_t i = 0; i < all.pipes.size(); ++i) all.pipes[i] -= part.pipes[i];
  all.issued -= part.issued;
  all.barriers -= part.barriers;
  all.shared_bytes -= part.shared_bytes;
  return all;
}

}  // namespace

Footprint footprint_of(const EntryCode& code) {
  Footprint print;
  print.registers = code.registers;
  print.static_shared_bytes = code.static_shared_bytes;
  print.mma_sync =
      code.mix.named("IGMMA") + code.mix.named("HGMMA") + code.mix.named("QGMMA") + code.mix.named("UTCMMA") == 0;
  print.body = count(code.mix);
  if (const Loop* loop = code.main()) {
    print.loops = true;
    print.body = count(loop->mix);
    print.outside = count(code.mix) - print.body;
    for (const Loop& other : code.loops) {
      if (other.mma() > 0 && (other.end < loop->begin || other.begin > loop->end))
        print.outside = print.outside - count(other.mix);
    }
  }
  return print;
}

}  // namespace qoq::roofline
