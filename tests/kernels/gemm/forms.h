#pragma once
#include <ostream>

#include "kernels/gemm/format.cuh"

namespace qoq::test {

/// A variant class of gemm/mma: what its weights are and how they become int8.
struct Form {
  const char* name;
  const char* scheme;
  gemm::Dequant dequant;
  gemm::Layout layout;
  bool ablated;
};

/// By its name; GoogleTest would print the bytes, pointers among them.
inline void PrintTo(const Form& form, std::ostream* out) { *out << form.name; }

/// The int8 GEMMs: bit-equal, also to the plain kernel.
inline constexpr Form forms[] = {
    {"Vadd4", "w4a8-g128", gemm::Dequant::Vadd4, gemm::Layout::QServe, false},
    {"Imad", "w4a8-g128", gemm::Dequant::Imad, gemm::Layout::QServe, false},
    {"ImadFragment", "w4a8-g128", gemm::Dequant::Imad, gemm::Layout::Fragment, false},
    {"U8S8", "w4a8-g128", gemm::Dequant::U8S8, gemm::Layout::QServe, false},
    {"U8S8Fragment", "w4a8-g128", gemm::Dequant::U8S8, gemm::Layout::Fragment, false},
    {"Channel", "w4a8-channel", gemm::Dequant::None, gemm::Layout::QServe, false},
    {"W8A8", "w8a8", gemm::Dequant::None, gemm::Layout::RowMajor, false},
    {"Vadd4Ablated", "w4a8-g128", gemm::Dequant::Vadd4, gemm::Layout::QServe, true},
    {"ImadAblated", "w4a8-g128", gemm::Dequant::Imad, gemm::Layout::QServe, true},
    {"ImadFragmentAblated", "w4a8-g128", gemm::Dequant::Imad, gemm::Layout::Fragment, true},
    {"U8S8Ablated", "w4a8-g128", gemm::Dequant::U8S8, gemm::Layout::QServe, true},
    {"U8S8FragmentAblated", "w4a8-g128", gemm::Dequant::U8S8, gemm::Layout::Fragment, true},
    {"ChannelAblated", "w4a8-channel", gemm::Dequant::None, gemm::Layout::QServe, true},
    {"W8A8Ablated", "w8a8", gemm::Dequant::None, gemm::Layout::RowMajor, true},
};

/// What they are compared with: sums are floats.
inline constexpr Form float_forms[] = {
    {"W4A16", "w4a16-g128", gemm::Dequant::None, gemm::Layout::Fragment, false},
    {"W4A4", "w4a4-g128", gemm::Dequant::None, gemm::Layout::Fragment, false},
    {"W4A4Int8", "w4a4-g128", gemm::Dequant::Int8, gemm::Layout::Fragment, false},
    {"W4A16Ablated", "w4a16-g128", gemm::Dequant::None, gemm::Layout::Fragment, true},
    {"W4A4Ablated", "w4a4-g128", gemm::Dequant::None, gemm::Layout::Fragment, true},
    {"W4A4Int8Ablated", "w4a4-g128", gemm::Dequant::Int8, gemm::Layout::Fragment, true},
};

}  // namespace qoq::test
