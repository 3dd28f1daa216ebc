#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "autotune/interchange/recorded_space.h"

namespace qoq::interchange {

/// Reads a tuning space in the "T4" format of the FAIR auto-tuning hub (Kernel Tuner's too; its schema:
/// github.com/odgaard/TuningSchema, results-schema.json), plain or gzip. The time is the measurement that the entry's
/// first objective names, or "time"; where that has no value, the median of the run times. Times without a unit are
/// milliseconds, as Kernel Tuner writes them. Kernel and GPU come from the metadata, else from the file's name
/// ("KERNEL-GPU.T4.json").
/// Throws Fault::Input, one sentence with the file and the place, on anything that is no such file.
RecordedSpace read_t4(const std::filesystem::path& path);

/// The same from a file's bytes; `file` is its name.
RecordedSpace parse_t4(std::string_view bytes, const std::string& file);

/// The space as a T4 file, times in microseconds. Reading it gives an equal space, but for values that no entry has.
std::string to_t4(const RecordedSpace& space);

}  // namespace qoq::interchange
