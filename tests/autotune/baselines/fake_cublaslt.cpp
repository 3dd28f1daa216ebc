// Stands for libcublasLt: the functions we call, on matrices in host memory, multiplied one element at a time. What it
// refuses is what the true one would refuse, or what no caller of ours should ask.
// QOQ_FAKE_CUBLASLT=down: it does not start, as without a GPU; =none: its heuristics have nothing.
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "autotune/baselines/cublaslt_abi.h"
#include "autotune/baselines/float8.h"
#include "kernels/base/float16.h"

namespace lt = qoq::baselines::lt;
using lt::Status;

struct lt::Context {};
struct lt::MatmulDesc {
  int compute, scale;
  int32_t transpose_a = 0, transpose_b = 0;
  int8_t fast = 0;
};
struct lt::Layout {
  int type;
  uint64_t rows, columns;
  int64_t leading;
};
struct lt::Preference {
  uint64_t workspace_bytes = 0;
};

namespace {

constexpr Status not_initialized = 1, invalid_value = 7;

bool asked_to_be(const char* what) {
  const char* mode = std::getenv("QOQ_FAKE_CUBLASLT");
  return mode != nullptr && std::string_view(mode) == what;
}

float element(const void* data, const lt::Layout& layout, uint64_t row, uint64_t column) {
  const uint64_t index = column * static_cast<uint64_t>(layout.leading) + row;
  if (layout.type == lt::r_8i) return static_cast<const int8_t*>(data)[index];
  if (layout.type == lt::r_8f_e4m3) return qoq::baselines::e4m3_to_float(static_cast<const uint8_t*>(data)[index]);
  return qoq::bfloat16_to_float(static_cast<const uint16_t*>(data)[index]);
}

void store(void* data, const lt::Layout& layout, uint64_t row, uint64_t column, double value) {
  const uint64_t index = column * static_cast<uint64_t>(layout.leading) + row;
  if (layout.type == lt::r_32i) {
    static_cast<int32_t*>(data)[index] = static_cast<int32_t>(value);
  } else {
    const auto rounded = static_cast<float>(value);
    static_cast<uint16_t*>(data)[index] =
        layout.type == lt::r_16f ? qoq::float_to_half(rounded) : qoq::float_to_bfloat16(rounded);
  }
}

template <class T>
Status set(T& into, const void* value, size_t bytes) {
  if (bytes != sizeof into) return invalid_value;
  std::memcpy(&into, value, bytes);
  return lt::success;
}

}  // namespace

extern "C" {

size_t cublasLtGetVersion() { return 130204; }
const char* cublasLtGetStatusName(Status status) {
  return status == not_initialized ? "CUBLAS_STATUS_NOT_INITIALIZED" : "CUBLAS_STATUS_OTHER";
}
Status cublasLtCreate(lt::Context** made) {
  if (asked_to_be("down")) return not_initialized;
  *made = new lt::Context;
  return lt::success;
}
Status cublasLtDestroy(lt::Context* old) { return delete old, lt::success; }

Status cublasLtMatmulDescCreate(lt::MatmulDesc** made, int compute, int scale) {
  *made = new lt::MatmulDesc{compute, scale};
  return lt::success;
}
Status cublasLtMatmulDescDestroy(lt::MatmulDesc* old) { return delete old, lt::success; }
Status cublasLtMatmulDescSetAttribute(lt::MatmulDesc* to, int attribute, const void* value, size_t bytes) {
  if (attribute == lt::desc_transa) return set(to->transpose_a, value, bytes);
  if (attribute == lt::desc_transb) return set(to->transpose_b, value, bytes);
  return attribute == lt::desc_fast_accum ? set(to->fast, value, bytes) : invalid_value;
}
Status cublasLtMatrixLayoutCreate(lt::Layout** made, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  *made = new lt::Layout{type, rows, columns, leading};
  return lt::success;
}
Status cublasLtMatrixLayoutDestroy(lt::Layout* old) { return delete old, lt::success; }
Status cublasLtMatmulPreferenceCreate(lt::Preference** made) { return *made = new lt::Preference, lt::success; }
Status cublasLtMatmulPreferenceDestroy(lt::Preference* old) { return delete old, lt::success; }
Status cublasLtMatmulPreferenceSetAttribute(lt::Preference* to, int attribute, const void* value, size_t bytes) {
  return attribute == lt::pref_max_workspace_bytes ? set(to->workspace_bytes, value, bytes) : invalid_value;
}

/// Three results, the middle one not to be used.
Status cublasLtMatmulAlgoGetHeuristic(lt::Context*, lt::MatmulDesc* how, lt::Layout* a, lt::Layout* b, lt::Layout* c,
                                      lt::Layout* d, lt::Preference* preference, int requested,
                                      lt::HeuristicResult* results, int* returned) {
  const bool whole = a->type == lt::r_8i;
  const bool types = a->type == b->type && c->type == d->type && (d->type == lt::r_32i) == whole &&
                     how->compute == (whole ? lt::compute_32i : lt::compute_32f) &&
                     how->scale == (whole ? lt::r_32i : lt::r_32f) && (how->fast == 0 || a->type == lt::r_8f_e4m3);
  const bool sizes = a->rows == b->rows && a->columns == d->rows && b->columns == d->columns;
  if (!types || !sizes || how->transpose_a != lt::op_t || how->transpose_b != lt::op_n || asked_to_be("none"))
    return lt::not_supported;
  *returned = requested < 3 ? requested : 3;
  for (int i = 0; i < *returned; ++i) {
    results[i] = {};
    results[i].algorithm.data[0] = static_cast<uint64_t>(40 + i);
    results[i].workspace_bytes = preference->workspace_bytes / 2;
    results[i].state = i == 1 ? lt::not_supported : lt::success;
    results[i].waves = 0.5f;
  }
  return lt::success;
}

Status cublasLtMatmulAlgoConfigGetAttribute(const lt::Algorithm* algorithm, int attribute, void* value, size_t bytes,
                                            size_t* written) {
  const auto told = static_cast<uint32_t>(algorithm->data[0] * 10 + static_cast<uint64_t>(attribute));
  if (attribute == lt::algo_custom || bytes != (attribute >= lt::algo_inner_shape ? 2u : 4u)) return invalid_value;
  std::memcpy(value, &told, bytes);
  *written = bytes;
  return lt::success;
}

#ifdef QOQ_FAKE_WITHOUT_MATMUL
#define cublasLtMatmul matmul_under_another_name
#endif
Status cublasLtMatmul(lt::Context*, lt::MatmulDesc* how, const void* alpha, const void* a, lt::Layout* a_layout,
                      const void* b, lt::Layout* b_layout, const void* beta, const void*, lt::Layout*, void* d,
                      lt::Layout* d_layout, const lt::Algorithm* algorithm, void* workspace, size_t workspace_bytes,
                      lt::Stream*) {
  if (algorithm->data[0] < 40 || workspace == nullptr || workspace_bytes == 0) return invalid_value;
  int32_t whole[2];
  float real[2];
  std::memcpy(&whole[0], alpha, 4), std::memcpy(&whole[1], beta, 4);
  std::memcpy(&real[0], alpha, 4), std::memcpy(&real[1], beta, 4);
  const bool one_and_zero = how->scale == lt::r_32i ? whole[0] == 1 && whole[1] == 0 : real[0] == 1 && real[1] == 0;
  if (!one_and_zero) return invalid_value;
  for (uint64_t row = 0; row < d_layout->rows; ++row) {
    for (uint64_t column = 0; column < d_layout->columns; ++column) {
      double sum = 0;
      for (uint64_t i = 0; i < a_layout->rows; ++i)
        sum += double{element(a, *a_layout, i, row)} * double{element(b, *b_layout, i, column)};
      store(d, *d_layout, row, column, sum);
    }
  }
  return lt::success;
}

}  // extern "C"
