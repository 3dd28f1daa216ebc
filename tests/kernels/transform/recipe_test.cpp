#include "kernels/transform/recipe.h"

#include <gtest/gtest.h>

#include <set>

#include "kernels/base/error.h"

namespace qoq::transform {
namespace {

std::string refusal(const std::string& text) {
  try {
    read_recipe(text, {});
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    return error.what();
  }
  return "";
}

TEST(Recipe, IsWrittenAndReadBack) {
  for (const int group : {128, 64, 32, 0}) {
    const WeightFormat format{group};
    for (const NamedRecipe& row : ablation_recipes(format)) {
      EXPECT_EQ(read_recipe(write_recipe(row.recipe), format), row.recipe) << row.name;
    }
  }
  EXPECT_EQ(write_recipe(qoq_recipe({})), "rotation,smooth-attention=0.5,smooth-outputs=0.3/0.7,reorder,clip=outputs");
  EXPECT_EQ(write_recipe(qoq_recipe({.group = 0})),
            "rotation,smooth-attention=0.5,smooth-outputs=0.1/0.9,clip=outputs");
  EXPECT_EQ(write_recipe(rtn_recipe()), "rtn");
  const Recipe searched = read_recipe("smooth-outputs=search,smooth-attention=search,clip=weights", {});
  EXPECT_TRUE(searched.search_attention && searched.search_outputs && searched.clip == Clip::Weights);
  EXPECT_FALSE(searched.rotate || searched.reorder);
  EXPECT_EQ(read_recipe(write_recipe(searched), {}), searched);
}

TEST(Recipe, RefusesWordsItDoesNotKnow) {
  EXPECT_EQ(refusal("rotation,sharpen"),
            "recipe \"rotation,sharpen\": found \"sharpen\"; expected rtn, qoq, or a list of rotation, "
            "smooth-attention=A, smooth-outputs=A/B, reorder and clip=weights|outputs, A and B from 0 to 1 or "
            "\"search\"");
  for (const char* text :
       {"", "rotation,", "rotation=1", "smooth-attention=1.5", "smooth-attention=-0.1", "smooth-attention=nan",
        "smooth-outputs=0.3", "smooth-outputs=0.3/x", "clip=all", "rtn,clip", "smooth-attention=0.5x"}) {
    EXPECT_NE(refusal(text), "") << text;
  }
}

/// One row for each transform alone, one for QoQ without it, and no row twice.
TEST(Ablation, HasEveryTransformOnAndOff) {
  std::set<std::string> names, texts;
  for (const NamedRecipe& row : ablation_recipes({})) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(texts.insert(write_recipe(row.recipe)).second) << row.name;
  }
  EXPECT_EQ(names.size(), 12U);
  for (const char* name : {"rtn", "rtn + rotation", "rtn + clip", "qoq", "qoq - reorder", "qoq - smooth-attention"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_EQ(ablation_recipes({.group = 0}).size(), 10U);  // a row of one scale has no order
}

}  // namespace
}  // namespace qoq::transform
