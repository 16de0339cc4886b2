#include "cli/ann/param_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kite::cli {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Texts(const std::string& text) {
  const auto points = ParseSweep(text);
  EXPECT_TRUE(points.ok()) << points.status();
  std::vector<std::string> texts;
  for (const engine::ParamMap& point : *points) texts.push_back(SweepText(point));
  return texts;
}

TEST(ParamSweepTest, EveryCombination) {
  EXPECT_THAT(Texts(""), ElementsAre(""));
  EXPECT_THAT(Texts("ef=16,32,64"), ElementsAre("ef=16", "ef=32", "ef=64"));
  EXPECT_THAT(Texts("M=16,efConstruction=200"), ElementsAre("M=16,efConstruction=200"));
  EXPECT_THAT(Texts("a=1,2,b=x,y"), ElementsAre("a=1,b=x", "a=1,b=y", "a=2,b=x", "a=2,b=y"));
}

TEST(ParamSweepTest, RefusesWhatIsNoList) {
  for (const char* text : {"ef", "=3", "ef=", "ef=1,,2", "16,32", "ef=1,ef=2", ","}) {
    EXPECT_TRUE(ParseSweep(text).status().Is(StatusKind::kInvalidArgument)) << text;
  }
  std::string many = "a=0";
  for (int i = 1; i < 40; ++i) many += "," + std::to_string(i);
  EXPECT_TRUE(ParseSweep(many + ",b" + many.substr(1)).status().Is(StatusKind::kInvalidArgument));
}

}  // namespace
}  // namespace kite::cli
