#pragma once
#include <cstddef>
#include <cstdint>

/// The part of cuBLASLt's binary interface that we call, in our own words: CUDA's small wheels bring no cublasLt.h.
/// (cuBLAS Library, "Using the cuBLASLt API": data types reference and function reference.) The values are the same in
/// the libraries of CUDA 12 and 13; cublaslt_abi_test holds them against the vendor's header where there is one.
namespace qoq::baselines::lt {

using Status = int;  ///< cublasStatus_t
inline constexpr Status success = 0, not_supported = 15;

// cudaDataType
inline constexpr int r_32f = 0, r_16f = 2, r_8i = 3, r_32i = 10, r_16bf = 14, r_8f_e4m3 = 28;
// cublasComputeType_t
inline constexpr int compute_32f = 68, compute_32i = 72;
// cublasOperation_t
inline constexpr int32_t op_n = 0, op_t = 1;

// cublasLtMatmulDescAttributes_t
inline constexpr int desc_transa = 3;       ///< int32_t, an operation
inline constexpr int desc_transb = 4;       ///< int32_t
inline constexpr int desc_fast_accum = 25;  ///< int8_t: 1 lets fp8 sums stay in the tensor core's own precision
// cublasLtMatmulPreferenceAttributes_t
inline constexpr int pref_max_workspace_bytes = 1;  ///< uint64_t
// cublasLtMatmulAlgoConfigAttributes_t; all of 32 bits but the last two, which are of 16
inline constexpr int algo_id = 0, algo_tile = 1, algo_split_k = 2, algo_reduction = 3, algo_swizzle = 4,
                     algo_custom = 5, algo_stages = 6, algo_inner_shape = 7, algo_cluster_shape = 8;

struct Context;     ///< cublasLtHandle_t points to one
struct MatmulDesc;  ///< cublasLtMatmulDesc_t, likewise below
struct Layout;
struct Preference;
struct Stream;  ///< cudaStream_t is the driver's CUstream

/// cublasLtMatmulAlgo_t: opaque, may be copied.
struct Algorithm {
  uint64_t data[8];
};

/// cublasLtMatmulHeuristicResult_t
struct HeuristicResult {
  Algorithm algorithm;
  size_t workspace_bytes;
  Status state;  ///< the others count only when this is success
  float waves;
  int reserved[4];
};

using GetVersion = size_t();
using GetStatusName = const char*(Status);
using Create = Status(Context**);
using Destroy = Status(Context*);
using MatmulDescCreate = Status(MatmulDesc**, int compute_type, int scale_type);
using MatmulDescDestroy = Status(MatmulDesc*);
using MatmulDescSetAttribute = Status(MatmulDesc*, int attribute, const void* value, size_t bytes);
/// Column-major unless told otherwise: `leading` elements from one column to the next.
using MatrixLayoutCreate = Status(Layout**, int type, uint64_t rows, uint64_t columns, int64_t leading);
using MatrixLayoutDestroy = Status(Layout*);
using MatmulPreferenceCreate = Status(Preference**);
using MatmulPreferenceDestroy = Status(Preference*);
using MatmulPreferenceSetAttribute = Status(Preference*, int attribute, const void* value, size_t bytes);
using MatmulAlgoGetHeuristic = Status(Context*, MatmulDesc*, Layout* a, Layout* b, Layout* c, Layout* d, Preference*,
                                      int requested, HeuristicResult*, int* returned);
using MatmulAlgoConfigGetAttribute = Status(const Algorithm*, int attribute, void* value, size_t bytes,
                                            size_t* written);
/// d = alpha · op(a) · op(b) + beta · c; alpha and beta lie on the host, in the scale type.
using Matmul = Status(Context*, MatmulDesc*, const void* alpha, const void* a, Layout*, const void* b, Layout*,
                      const void* beta, const void* c, Layout*, void* d, Layout*, const Algorithm*, void* workspace,
                      size_t workspace_bytes, Stream*);

}  // namespace qoq::baselines::lt

// Our names of the functions; the library's begin with cublasLt.
// clang-format off
#define QOQ_CUBLASLT_FUNCTIONS(X)                                                                              \
  X(GetVersion) X(GetStatusName) X(Create) X(Destroy) X(MatmulDescCreate) X(MatmulDescDestroy)                 \
  X(MatmulDescSetAttribute) X(MatrixLayoutCreate) X(MatrixLayoutDestroy) X(MatmulPreferenceCreate)             \
  X(MatmulPreferenceDestroy) X(MatmulPreferenceSetAttribute) X(MatmulAlgoGetHeuristic)                         \
  X(MatmulAlgoConfigGetAttribute) X(Matmul)
// clang-format on
