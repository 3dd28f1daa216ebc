#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

namespace qoq {

/// Element types of a safetensors file whose elements are whole bytes.
enum class DType { Bool, U8, I8, F8E4M3, F8E5M2, U16, I16, F16, BF16, U32, I32, F32, U64, I64, F64 };

/// As safetensors writes it: "BF16".
std::string_view dtype_name(DType dtype);

/// Nothing for a name that is not in the table (sub-byte and complex types among them).
std::optional<DType> find_dtype(std::string_view name);

size_t element_bytes(DType dtype);

}  // namespace qoq
