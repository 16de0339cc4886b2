#include "server/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

namespace kite::server {
namespace {

using ::testing::HasSubstr;

TEST(LogFormatTest, TextQuotesWhatWouldBeAmbiguous) {
  EXPECT_EQ(FormatLogText(LogLevel::kInfo, "listening", {{"grpc", "127.0.0.1:19530"}, {"n", "3"}}),
            R"([INFO] ["listening"] [grpc=127.0.0.1:19530] [n=3])");
  EXPECT_EQ(
      FormatLogText(LogLevel::kWarn, "a \"b\"\n", {{"k", "x y"}, {"empty", ""}, {"e", "a=b]"}}),
      R"([WARN] ["a \"b\"\n"] [k="x y"] [empty=""] [e="a=b]"])");
  EXPECT_EQ(FormatLogText(LogLevel::kError, "m", {}), R"([ERROR] ["m"])");
}

TEST(LogFormatTest, JsonStaysJsonWhateverIsLogged) {
  const std::string members = FormatLogJson(LogLevel::kDebug, "quote \" newline \n bad \xff",
                                            {{"key", "\x01\\"}, {"other", "{}"}});
  const nlohmann::json line = nlohmann::json::parse("{" + members + "}");
  EXPECT_EQ(line["level"], "DEBUG");
  EXPECT_EQ(line["key"], "\x01\\");
  EXPECT_EQ(line["other"], "{}");
  EXPECT_EQ(members.find('\n'), std::string::npos);
}

class LogFileTest : public ::testing::Test {
 protected:
  LogFileTest() {
    std::string name = ::testing::TempDir() + "/kite_log_XXXXXX";
    options_.folder = mkdtemp(name.data());
    options_.to_stderr = false;
  }
  ~LogFileTest() override { std::filesystem::remove_all(options_.folder); }

  /// What is in the file while the log is still open.
  std::string Written(LogLevel level, bool json) {
    options_.level = level;
    options_.json = json;
    const auto log = Log::Open(options_);
    EXPECT_TRUE(log.ok()) << log.status();
    (*log)->Debug("one");
    (*log)->Info("two", {{"k", "v"}});
    (*log)->Warn("three");
    std::ifstream file(options_.folder + "/kite.log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  LogOptions options_;
};

TEST_F(LogFileTest, LinesCarryTimeLevelMessageAndFields) {
  const std::regex line(
      R"re(\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d\] \[INFO\] \["two"\] \[k=v\]\n\[[^\]]+\] \[WARN\] \["three"\]\n)re");
  EXPECT_TRUE(std::regex_match(Written(LogLevel::kInfo, false), line));
}

TEST_F(LogFileTest, LevelsHoldBack) {
  EXPECT_THAT(Written(LogLevel::kDebug, false), HasSubstr("one"));
  std::filesystem::remove(options_.folder + "/kite.log");
  EXPECT_EQ(Written(LogLevel::kError, false), "");
}

TEST_F(LogFileTest, JsonLines) {
  std::istringstream lines(Written(LogLevel::kInfo, true));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const nlohmann::json object = nlohmann::json::parse(line);
  EXPECT_EQ(object["message"], "two");
  EXPECT_EQ(object["k"], "v");
  EXPECT_THAT(object["time"].get<std::string>(), HasSubstr("T"));
}

TEST_F(LogFileTest, AFolderThatCannotBeUsedIsNamed) {
  std::ofstream(options_.folder + "/file") << "x";
  LogOptions options;
  options.folder = options_.folder + "/file";
  const auto log = Log::Open(options);
  ASSERT_FALSE(log.ok());
  EXPECT_THAT(log.status().message(), HasSubstr(options.folder));
}

}  // namespace
}  // namespace kite::server
