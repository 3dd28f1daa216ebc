// The two halves meet, over a whole decoder layer: a prompt and one further token of three sequences, every product of
// weights, every append and the attention by kernels on the emulator, on the bytes of a packed file and on the pages
// that the kernels before them wrote. GEMMs are compared bit for bit and pages byte for byte. Attention is a floating
// operator, whose order of sums is each variant's own: it is held to its stated class, 1e-3 of a head's largest output,
// of the fp64 reference over exactly these pages. The newest token is read from its page like any other, in 4 bits
// (QServe's kernel takes it unquantised).
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "kernels/llama/forward.h"
#include "tests/kernels/checkpoint/scratch_folder.h"
#include "tests/kernels/quantize/meeting/decoder_step.h"

namespace qoq::test {
namespace {

using gemm::Dequant;

constexpr StepKernels kernels[] = {
    {"groups_fragment", "w4a8-g128", "rtn", 0.4, PackedLayout::Fragment, Dequant::Imad, KvLayout::Fragment,
     "p32.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment"},
    {"groups_qserve", "w4a8-g128", "smooth-attention=0.5,smooth-outputs=0.3/0.7,reorder,clip=weights", 0.4,
     PackedLayout::QServe, Dequant::Vadd4, KvLayout::QServe, "p32.tl16.st2.w2.rt1.rw8.sp2.tokens.kernel.qserve"},
    {"channel", "w4a8-channel", "rtn", 0.4, PackedLayout::QServe, Dequant::None, KvLayout::Fragment,
     "p32.tl16.st2.w2.rt1.rw8.sp2.heads.second.fragment"},
};

const std::vector<int> prompts{18, 64, 97};  // inside a page, two whole pages, one token into a fourth

llama::Matrix gated(const llama::Matrix& gate_up) {
  llama::Matrix gate(gate_up.rows, gate_up.cols / 2), up = gate;
  for (int r = 0; r < gate.rows; ++r) {
    std::copy_n(gate_up.row(r), gate.cols, gate.row(r));
    std::copy_n(gate_up.row(r) + gate.cols, gate.cols, up.row(r));
  }
  return llama::gate_up(gate, up);
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

/// The fp32 layer's outputs for the last token of each sequence, less the residual: what the layer adds.
std::vector<float> wanted_updates(const QuantizedLayer& layer, const llama::Matrix& prompt, const llama::Matrix& x) {
  std::vector<float> updates;
  int first = 0;
  for (int sequence = 0; sequence < x.rows; ++sequence) {
    const int tokens = prompts[static_cast<size_t>(sequence)];
    llama::Matrix all = rows(prompt, first, tokens + 1);
    std::copy_n(x.row(sequence), x.cols, all.row(tokens));
    std::vector<int> positions(static_cast<size_t>(tokens) + 1);
    std::iota(positions.begin(), positions.end(), 0);
    const llama::Matrix y = llama::layer_forward(layer.config, layer.layer, all, positions);
    for (int c = 0; c < x.cols; ++c) updates.push_back(y.row(tokens)[c] - x.row(sequence)[c]);
    first += tokens;
  }
  return updates;
}

struct Step : ScratchFolder, testing::WithParamInterface<StepKernels> {};

TEST_P(Step, KernelsOnPackedBytesAndOnPagesOfKernelsEqualTheReferences) {
  const StepKernels& k = GetParam();
  const QuantizedLayer layer = quantize_layer(folder, k.scheme, k.weights, k.recipe);
  const PackedFile file = PackedFile::open(layer.file);
  const auto norm = [&](const llama::Matrix& x, const char* name) {
    return llama::rms_norm(x, file.floats(name), layer.config.norm_epsilon);
  };
  DecoderStep step(layer, file, k);
  step.make_pages({19, 65, 98});

  const int prompt_tokens = std::accumulate(prompts.begin(), prompts.end(), 0);
  const llama::Matrix prompt = draw_inputs(prompt_tokens + 1, layer.config.hidden, 1);  // one row to spare
  const llama::Matrix prompt_qkv = step.multiply("qkv", norm(rows(prompt, 0, prompt_tokens), "attention_norm"));
  int first = 0;
  for (int sequence = 0; sequence < 3; ++sequence) {
    const int tokens = prompts[static_cast<size_t>(sequence)];
    step.append(rows(prompt_qkv, first, tokens), {sequence}, {tokens}, tokens);
    first += tokens;
  }

  const llama::Matrix x = draw_inputs(3, layer.config.hidden, 2);
  const llama::Matrix qkv = step.multiply("qkv", norm(x, "attention_norm"));
  step.append(qkv, {0, 1, 2}, {19, 65, 98}, 1);
  const llama::Matrix attention = step.multiply("o", step.attend(qkv));
  const llama::Matrix ffn = step.multiply("down", gated(step.multiply("gate_up", norm(sum(x, attention), "ffn_norm"))));
  std::vector<float> wanted = wanted_updates(layer, prompt, x);
  const std::vector<float> got = sum(attention, ffn).values;
  const double error = relative_error(got, wanted);
  std::rotate(wanted.begin(), wanted.begin() + x.cols, wanted.end());
  const double of_another = relative_error(got, wanted);
  fmt::print("{}: what the layer adds is {:.3f} from the fp32 layer's (another sequence's: {:.3f})\n", k.name, error,
             of_another);
  EXPECT_LT(error, k.most_error);
  EXPECT_GT(of_another, 2 * k.most_error);

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
