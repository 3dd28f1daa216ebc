// Our words for cuBLASLt's binary interface against the vendor's header, where there is one: it compiles or it does
// not.
#include "autotune/baselines/cublaslt_abi.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <type_traits>

#if __has_include(<cublasLt.h>)
#include <cublasLt.h>
#define QOQ_HAS_CUBLASLT_HEADER 1
#endif

namespace qoq::baselines::lt {
namespace {

#ifdef QOQ_HAS_CUBLASLT_HEADER

static_assert(success == CUBLAS_STATUS_SUCCESS && not_supported == CUBLAS_STATUS_NOT_SUPPORTED);
static_assert(r_32f == CUDA_R_32F && r_16f == CUDA_R_16F && r_8i == CUDA_R_8I && r_32i == CUDA_R_32I);
static_assert(r_16bf == CUDA_R_16BF && r_8f_e4m3 == CUDA_R_8F_E4M3);
static_assert(compute_32f == CUBLAS_COMPUTE_32F && compute_32i == CUBLAS_COMPUTE_32I);
static_assert(op_n == CUBLAS_OP_N && op_t == CUBLAS_OP_T);
static_assert(desc_transa == CUBLASLT_MATMUL_DESC_TRANSA && desc_transb == CUBLASLT_MATMUL_DESC_TRANSB);
static_assert(desc_fast_accum == CUBLASLT_MATMUL_DESC_FAST_ACCUM);
static_assert(pref_max_workspace_bytes == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
static_assert(algo_id == CUBLASLT_ALGO_CONFIG_ID && algo_tile == CUBLASLT_ALGO_CONFIG_TILE_ID);
static_assert(algo_split_k == CUBLASLT_ALGO_CONFIG_SPLITK_NUM);
static_assert(algo_reduction == CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME);
static_assert(algo_swizzle == CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING);
static_assert(algo_custom == CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION && algo_stages == CUBLASLT_ALGO_CONFIG_STAGES_ID);
static_assert(algo_inner_shape == CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID);
static_assert(algo_cluster_shape == CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID);

static_assert(sizeof(Algorithm) == sizeof(cublasLtMatmulAlgo_t) && alignof(Algorithm) == alignof(cublasLtMatmulAlgo_t));
using Theirs = cublasLtMatmulHeuristicResult_t;
static_assert(sizeof(HeuristicResult) == sizeof(Theirs) && alignof(HeuristicResult) == alignof(Theirs));
static_assert(offsetof(HeuristicResult, algorithm) == offsetof(Theirs, algo));
static_assert(offsetof(HeuristicResult, workspace_bytes) == offsetof(Theirs, workspaceSize));
static_assert(offsetof(HeuristicResult, state) == offsetof(Theirs, state));
static_assert(offsetof(HeuristicResult, waves) == offsetof(Theirs, wavesCount));

/// What a type is to a caller: an enum is its integer of the same size, a pointer a pointer.
template <class T>
struct Passed {
  using Type = std::conditional_t<std::is_pointer_v<T>, void*, T>;
};
template <class T>
requires std::is_enum_v<T>
struct Passed<T> {
  static_assert(sizeof(T) == sizeof(int));
  using Type = int;
};
template <class T>
struct Signature;
template <class Result, class... Args>
struct Signature<Result(Args...)> {
  using Type = typename Passed<Result>::Type(typename Passed<Args>::Type...);
};
template <class Ours, class Theirs_>
constexpr bool same = std::is_same_v<typename Signature<Ours>::Type, typename Signature<Theirs_>::Type>;

#define QOQ_SAME(name) static_assert(same<name, decltype(::cublasLt##name)>, "cublasLt" #name);
QOQ_CUBLASLT_FUNCTIONS(QOQ_SAME)
#undef QOQ_SAME

TEST(CublasLtAbi, AgreesWithTheVendorsHeader) { SUCCEED() << "held when this file was compiled"; }

#else

TEST(CublasLtAbi, AgreesWithTheVendorsHeader) { GTEST_SKIP() << "no cublasLt.h where this was built"; }

#endif

}  // namespace
}  // namespace qoq::baselines::lt
