#pragma once
#include <optional>
#include <string>

#include "autotune/job/model.h"
#include "autotune/store/store.h"
#include "roofline/gpu/gpu.h"
#include "roofline/serving/kernel_times.h"
#include "roofline/serving/shape.h"

namespace qoq::serving {

/// Adds a chosen kernel's time, if it is of a kind that serving uses: a GEMM with fp16 outputs and no bias, a decode
/// step of one new token without window or cap. Others are left alone.
void add_time(roofline::KernelTimes& times, const std::string& problem, double us, store::Source source);

/// The sheet of an environment's GPU: a simulated one's by its target, an attached one's by its product; nothing where
/// there is none.
std::optional<roofline::Gpu> sheet_of(const store::Environment& environment);

roofline::ModelShape shape_of(const job::Model& model);

}  // namespace qoq::serving
