// The two halves meet, over a whole decoder layer: a prompt and one further token of three sequences, every product of
// weights, every append and the attention by kernels on the emulator, on the bytes of a packed file and on the pages
// that the kernels before them wrote. GEMMs are compared bit for bit and pages byte for byte. Attention is a floating
// operator, whose order of sums is each variant's own: it is held to its stated class, 1e-3 of a head's largest output,
// of the fp64 reference over exactly these pages. The newest token is read from its page like any other, in 4 bits
// (QServe's kernel takes it unquantised).
#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/checkpoint/scratch_folder.h"
#include "tests/kernels/quantize/meeting/decoder_step.h"

namespace qoq::test {
namespace {

using gemm::Dequant;

constexpr StepKernels kernels[] = {
    {"groups_fragment", "w4a8-g128", PackedLayout::Fragment, Dequant::Imad, KvLayout::Fragment,
     "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"groups_qserve", "w4a8-g128", PackedLayout::QServe, Dequant::Vadd4, KvLayout::QServe,
     "p32.tl16.st2.w2.rt1.rw8.sp2.tokens.kernel.qserve"},
    {"channel", "w4a8-channel", PackedLayout::QServe, Dequant::None, KvLayout::Fragment,
     "p32.tl16.st2.w2.rt1.rw8.sp2.heads.second.fragment"},
};

const std::vector<int> prompts{18, 64, 97};  // inside a page, two whole pages, one token into a fourth

llama::Matrix rms_norm(const llama::Matrix& x, const std::vector<float>& gain) {
  llama::Matrix y = x;
  for (int r = 0; r < x.rows; ++r) {
    double sum = 0;
    for (int c = 0; c < x.cols; ++c) sum += double{x.row(r)[c]} * x.row(r)[c];
    const double scale = 1 / std::sqrt(sum / x.cols + 1e-5);
    for (int c = 0; c < x.cols; ++c)
      y.row(r)[c] = static_cast<float>(x.row(r)[c] * scale * gain[static_cast<size_t>(c)]);
  }
  return y;
}

llama::Matrix gated(const llama::Matrix& gate_up) {
  llama::Matrix y(gate_up.rows, gate_up.cols / 2);
  for (int r = 0; r < y.rows; ++r) {
    for (int c = 0; c < y.cols; ++c) {
      const float gate = gate_up.row(r)[c], up = gate_up.row(r)[y.cols + c];
      y.row(r)[c] = gate / (1 + std::exp(-gate)) * up;
    }
  }
  return y;
}

llama::Matrix sum(llama::Matrix a, const llama::Matrix& b) {
  for (size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
  return a;
}

llama::Matrix rows(const llama::Matrix& x, int first, int count) {
  llama::Matrix y(count, x.cols);
  std::copy_n(x.row(first), y.values.size(), y.values.begin());
  return y;
}

struct Step : ScratchFolder, testing::WithParamInterface<StepKernels> {};

TEST_P(Step, KernelsOnPackedBytesAndOnPagesOfKernelsEqualTheReferences) {
  const StepKernels& k = GetParam();
  const QuantizedLayer layer = quantize_layer(folder, k.scheme, k.weights);
  const PackedFile file = PackedFile::open(layer.file);
  DecoderStep step(layer, file, k);
  step.make_pages({19, 65, 98});

  int prompt_tokens = 0;
  for (const int tokens : prompts) prompt_tokens += tokens;
  const llama::Matrix prompt =
      step.multiply("qkv", rms_norm(draw_inputs(prompt_tokens, layer.config.hidden, 1), layer.layer.attention_norm));
  int first = 0;
  for (int sequence = 0; sequence < 3; ++sequence) {
    const int tokens = prompts[static_cast<size_t>(sequence)];
    step.append(rows(prompt, first, tokens), {sequence}, {tokens}, tokens);
    first += tokens;
  }

  const llama::Matrix x = draw_inputs(3, layer.config.hidden, 2);
  const llama::Matrix qkv = step.multiply("qkv", rms_norm(x, layer.layer.attention_norm));
  step.append(qkv, {0, 1, 2}, {19, 65, 98}, 1);
  const llama::Matrix attended = step.attend(qkv);
  const llama::Matrix middle = sum(x, step.multiply("o", attended));
  const llama::Matrix gate_up = step.multiply("gate_up", rms_norm(middle, layer.layer.ffn_norm));
  const llama::Matrix out = sum(middle, step.multiply("down", gated(gate_up)));
  for (const float value : out.values) ASSERT_TRUE(std::isfinite(value));

  // Attention's check is one that can fail: values for keys, and a page of another sequence.
  for (const bool table : {false, true}) {
    std::vector<Buffer> buffers = step.attention_buffers();
    if (table) {
      auto* ids = reinterpret_cast<int32_t*>(buffer_named(buffers, "table").bytes.data());
      std::swap(ids[4], ids[8]);  // the first pages of the second and the third sequence
    } else {
      std::swap(buffer_named(buffers, "k").bytes, buffer_named(buffers, "v").bytes);
    }
    Bench bench;
    bench.build({step.attention_job()});
    ASSERT_EQ(bench.run(step.attention_job(), buffers).fault.value_or(""), "");
    EXPECT_FALSE(step.attention_job().family->check(step.attention_case(), step.attention_job().point, buffers).pass);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Step, testing::ValuesIn(kernels),
                         [](const auto& k) { return std::string(k.param.name); });

}  // namespace
}  // namespace qoq::test
