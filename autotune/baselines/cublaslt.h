#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "autotune/baselines/cublaslt_abi.h"
#include "kernels/runtime/cuda_device.h"
#include "kernels/runtime/library.h"

namespace qoq::baselines {

/// cuBLASLt, opened at run time.
class CublasLt {
 public:
  /// Opens the library and starts it on the current context. Not to be had is a value: see reason().
  static std::shared_ptr<const CublasLt> open(std::span<const std::filesystem::path> folders,
                                              const std::vector<std::string>& names = {"libcublasLt.so.13",
                                                                                       "libcublasLt.so.12"});
  ~CublasLt();
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;

  /// Why it cannot be used, a sentence; empty when it can.
  const std::string& reason() const { return reason_; }
  /// "13.1.0"; empty when the library is not there.
  const std::string& version() const { return version_; }
  lt::Context* context() const { return context_; }
  /// Throws Fault::Work "<what>: <the library's word>" unless the status is success.
  void check(lt::Status status, const char* what) const;

#define QOQ_DECLARE(name) lt::name* name = nullptr;
  QOQ_CUBLASLT_FUNCTIONS(QOQ_DECLARE)
#undef QOQ_DECLARE

 private:
  CublasLt() = default;
  runtime::Library library_;
  lt::Context* context_ = nullptr;
  std::string reason_, version_;
};

/// Types of a product, as cuBLASLt names them.
struct ProductTypes {
  int compute = lt::compute_32f, scale = lt::r_32f, operands = lt::r_16bf, output = lt::r_16bf;
  bool fast_accumulation = false;  ///< fp8 only
};

/// y[m,n] = x[m,k] · w[n,k]^T, all row-major, described to cuBLASLt. It counts by columns: y's rows are its columns, so
/// it is asked for y^T = (w as k × n)^T · (x as k × m), the form ("TN") that int8 and fp8 demand.
class CublasLtProduct {
 public:
  CublasLtProduct(std::shared_ptr<const CublasLt> library, ProductTypes types, int64_t m, int64_t n, int64_t k);

  /// What the library's heuristics name, best first; none when it has nothing for these types and sizes.
  std::vector<lt::HeuristicResult> algorithms(size_t workspace_bytes, int most) const;
  struct Operands {
    const void* x;
    const void* w;
    void* y;
    void* workspace;
    size_t workspace_bytes;
  };
  void queue(const lt::Algorithm& algorithm, const Operands& operands, CUstream_st* stream) const;

 private:
  std::shared_ptr<lt::Layout> layout(int type, int64_t rows, int64_t columns) const;

  std::shared_ptr<const CublasLt> library_;
  ProductTypes types_;
  std::shared_ptr<lt::MatmulDesc> description_;
  std::shared_ptr<lt::Layout> w_, x_, y_;
};

/// Attributes of an algorithm by the library's numbers, those it tells: {"id": 66, "tile": 20, …}.
nlohmann::json describe(const CublasLt& library, const lt::Algorithm& algorithm);

}  // namespace qoq::baselines
