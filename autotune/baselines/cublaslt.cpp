#include "autotune/baselines/cublaslt.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"

namespace qoq::baselines {

std::shared_ptr<const CublasLt> CublasLt::open(std::span<const std::filesystem::path> folders,
                                               const std::vector<std::string>& names) {
  const std::shared_ptr<CublasLt> made(new CublasLt);
  made->library_ = runtime::Library::open(names, folders);
  if (!made->library_) {
    made->reason_ = fmt::format("cuBLASLt is not here: {}", made->library_.reason());
    return made;
  }
#define QOQ_FIND(name)                                                                                           \
  made->name = made->library_.find_as<lt::name*>("cublasLt" #name);                                              \
  if (made->name == nullptr) {                                                                                   \
    made->reason_ =                                                                                              \
        fmt::format("{} has no cublasLt" #name " (CUDA 12 or later is needed)", made->library_.path().string()); \
    return made;                                                                                                 \
  }
  QOQ_CUBLASLT_FUNCTIONS(QOQ_FIND)
#undef QOQ_FIND
  const size_t number = made->GetVersion();
  made->version_ = fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
  if (const lt::Status status = made->Create(&made->context_); status != lt::success) {
    made->context_ = nullptr;
    made->reason_ = fmt::format("cuBLASLt {} does not start on this GPU and driver: {}", made->version_,
                                made->GetStatusName(status));
  }
  return made;
}

CublasLt::~CublasLt() {
  if (context_ != nullptr) Destroy(context_);
}

void CublasLt::check(lt::Status status, const char* what) const {
  if (status != lt::success) fail("cuBLASLt {}, {}: {}", version_, what, GetStatusName(status));
}

CublasLtProduct::CublasLtProduct(std::shared_ptr<const CublasLt> library, ProductTypes types, int64_t m, int64_t n,
                                 int64_t k)
    : library_(std::move(library)), types_(types) {
  const CublasLt& lib = *library_;
  lt::MatmulDesc* description = nullptr;
  lib.check(lib.MatmulDescCreate(&description, types_.compute, types_.scale), "describing a product");
  description_ = {description, [owner = library_](lt::MatmulDesc* made) { owner->MatmulDescDestroy(made); }};
  const auto set = [&](int attribute, const auto& value, const char* what) {
    lib.check(lib.MatmulDescSetAttribute(description, attribute, &value, sizeof value), what);
  };
  set(lt::desc_transa, lt::op_t, "transposing the weights");
  set(lt::desc_transb, lt::op_n, "leaving the activations as they are");
  if (types_.operands == lt::r_8f_e4m3) {
    set(lt::desc_fast_accum, static_cast<int8_t>(types_.fast_accumulation), "choosing the accumulation");
  }
  w_ = layout(types_.operands, k, n);
  x_ = layout(types_.operands, k, m);
  y_ = layout(types_.output, n, m);
}

std::shared_ptr<lt::Layout> CublasLtProduct::layout(int type, int64_t rows, int64_t columns) const {
  lt::Layout* made = nullptr;
  library_->check(
      library_->MatrixLayoutCreate(&made, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), rows),
      "describing a matrix");
  return {made, [owner = library_](lt::Layout* old) { owner->MatrixLayoutDestroy(old); }};
}

std::vector<lt::HeuristicResult> CublasLtProduct::algorithms(size_t workspace_bytes, int most) const {
  const CublasLt& lib = *library_;
  lt::Preference* made = nullptr;
  lib.check(lib.MatmulPreferenceCreate(&made), "stating preferences");
  const std::shared_ptr<lt::Preference> preference(made,
                                                   [&lib](lt::Preference* old) { lib.MatmulPreferenceDestroy(old); });
  const uint64_t bytes = workspace_bytes;
  lib.check(lib.MatmulPreferenceSetAttribute(made, lt::pref_max_workspace_bytes, &bytes, sizeof bytes),
            "limiting the workspace");
  std::vector<lt::HeuristicResult> found(static_cast<size_t>(most));
  int count = 0;
  const lt::Status status = lib.MatmulAlgoGetHeuristic(lib.context(), description_.get(), w_.get(), x_.get(), y_.get(),
                                                       y_.get(), made, most, found.data(), &count);
  if (status == lt::not_supported) return {};
  lib.check(status, "asking for algorithms");
  found.resize(static_cast<size_t>(count));
  std::erase_if(found, [](const lt::HeuristicResult& result) { return result.state != lt::success; });
  return found;
}

void CublasLtProduct::queue(const lt::Algorithm& algorithm, const Operands& operands, CUstream_st* stream) const {
  const float one = 1, zero = 0;
  const int32_t whole_one = 1, whole_zero = 0;
  const bool whole = types_.scale == lt::r_32i;
  const void* alpha = whole ? static_cast<const void*>(&whole_one) : &one;
  const void* beta = whole ? static_cast<const void*>(&whole_zero) : &zero;
  library_->check(library_->Matmul(library_->context(), description_.get(), alpha, operands.w, w_.get(), operands.x,
                                   x_.get(), beta, operands.y, y_.get(), operands.y, y_.get(), &algorithm,
                                   operands.workspace, operands.workspace_bytes, reinterpret_cast<lt::Stream*>(stream)),
                  "running a product");
}

nlohmann::json describe(const CublasLt& library, const lt::Algorithm& algorithm) {
  struct Attribute {
    int number;
    const char* name;
    size_t bytes;
  };
  constexpr std::array<Attribute, 9> attributes{{{lt::algo_id, "id", 4},
                                                 {lt::algo_tile, "tile", 4},
                                                 {lt::algo_split_k, "split_k", 4},
                                                 {lt::algo_reduction, "reduction", 4},
                                                 {lt::algo_swizzle, "swizzle", 4},
                                                 {lt::algo_custom, "custom", 4},
                                                 {lt::algo_stages, "stages", 4},
                                                 {lt::algo_inner_shape, "inner_shape", 2},
                                                 {lt::algo_cluster_shape, "cluster_shape", 2}}};
  auto told = nlohmann::json::object();
  for (const Attribute& attribute : attributes) {
    uint32_t value = 0;  // little-endian: two bytes are its low half
    size_t written = 0;
    const lt::Status status =
        library.MatmulAlgoConfigGetAttribute(&algorithm, attribute.number, &value, attribute.bytes, &written);
    if (status == lt::success) told[attribute.name] = value;
  }
  return told;
}

}  // namespace qoq::baselines
