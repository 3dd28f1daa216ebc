#include "kernels/checkpoint/dtype.h"

#include <algorithm>
#include <iterator>

namespace qoq {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  size_t bytes;
};

constexpr Row rows[] = {
    {DType::Bool, "BOOL", 1},      {DType::U8, "U8", 1},   {DType::I8, "I8", 1},   {DType::F8E4M3, "F8_E4M3", 1},
    {DType::F8E5M2, "F8_E5M2", 1}, {DType::U16, "U16", 2}, {DType::I16, "I16", 2}, {DType::F16, "F16", 2},
    {DType::BF16, "BF16", 2},      {DType::U32, "U32", 4}, {DType::I32, "I32", 4}, {DType::F32, "F32", 4},
    {DType::U64, "U64", 8},        {DType::I64, "I64", 8}, {DType::F64, "F64", 8},
};

const Row& row(DType dtype) {
  return *std::find_if(std::begin(rows), std::end(rows), [&](const Row& each) { return each.dtype == dtype; });
}

}  // namespace

std::string_view dtype_name(DType dtype) { return row(dtype).name; }

size_t element_bytes(DType dtype) { return row(dtype).bytes; }

std::optional<DType> find_dtype(std::string_view name) {
  for (const Row& each : rows) {
    if (each.name == name) return each.dtype;
  }
  return std::nullopt;
}

}  // namespace qoq
