#pragma once
#include <map>
#include <string>
#include <vector>

#include "kernels/base/digest.h"
#include "kernels/checkpoint/packed.h"
#include "kernels/checkpoint/safetensors_writer.h"

namespace qoq {

/// What a packed file says of itself, apart from its tensors: the metadata, read and checked.
struct PackedContent {
  struct Shape {
    int n = 0;
    int k = 0;
  };
  PackedFormat format;
  std::map<std::string, Shape, std::less<>> linears;
  std::map<std::string, std::string> notes;

  /// Without the digest. Throws Fault::Input for a name or note that is no UTF-8.
  std::map<std::string, std::string> metadata() const;
  /// Of a file's metadata, digest included. Throws Fault::Input, opening with `file`, for all that is not known.
  static PackedContent parse(const std::string& file, const std::map<std::string, std::string>& metadata);
};

/// The tensors of a linear: names, types and shapes, in the order of the list at write_packed.
std::vector<TensorDeclaration> linear_tensors(const PackedFormat& format, const std::string& name, int n, int k);

/// Throws Fault::Input, opening with `place`, unless a scheme's linear can have this shape.
void check_linear_shape(const std::string& place, const PackedFormat& format, uint64_t n, uint64_t k);

/// Throws Fault::Input, opening with `place`, for weights that are not of the format or not in its ranges (PackedFile::
/// linear tells them).
void check_weights(const std::string& place, const PackedFormat& format, const LinearWeights& weights);

/// Digest of a file's content that does not depend on the order of its data: the metadata, then each tensor, by name,
/// with begin_tensor and its bytes. Every text goes in with its length, so no two contents read alike.
class ContentDigest {
 public:
  explicit ContentDigest(const std::map<std::string, std::string>& metadata);
  void begin_tensor(const std::string& name, DType dtype, std::span<const uint64_t> shape);
  void add(std::span<const std::byte> bytes) { digest_.add(bytes); }
  std::string text() const { return digest_.text(); }

 private:
  void add_text(std::string_view text);
  RunningDigest digest_;
};

}  // namespace qoq
