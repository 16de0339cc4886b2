#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/progress.h"

namespace kite::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

Outcome Kite(std::vector<const char*> words) {
  words.insert(words.begin(), "kite");
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = Main(static_cast<int>(words.size()), words.data());
  outcome.out = ::testing::internal::GetCapturedStdout();
  outcome.err = ::testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(CliTest, HelpOfEveryCommandWithExamples) {
  const std::vector<std::vector<const char*>> commands = {
      {}, {"run", "standalone"}, {"health"}, {"check"}, {"bench", "ann"}, {"config", "show"}, {"version"}};
  for (const std::vector<const char*>& words : commands) {
    std::vector<const char*> with_flag = words;
    with_flag.push_back("--help");
    std::vector<const char*> after_help = words;
    after_help.insert(after_help.begin(), "help");
    const Outcome help = Kite(with_flag);
    EXPECT_EQ(help.code, 0);
    EXPECT_THAT(help.out, AllOf(HasSubstr("Usage: kite"), HasSubstr("Examples:\n  kite ")));
    EXPECT_EQ(Kite(after_help).out, help.out);
  }
  EXPECT_THAT(Kite({"run", "standalone", "--help"}).out,
              HasSubstr("Usage: kite run standalone [OPTIONS]"));
}

TEST(CliTest, WrongCommandLinesSayWhatWouldBeRight) {
  EXPECT_THAT(Kite({"frobnicate"}).err,
              AllOf(HasSubstr("frobnicate"), HasSubstr("run, health, check, bench, config, version")));
  EXPECT_THAT(Kite({"chekc"}).err, HasSubstr("did you mean 'check'?"));
  EXPECT_THAT(Kite({"run", "standalon"}).err, HasSubstr("did you mean 'standalone'?"));
  EXPECT_THAT(Kite({"run"}).err, HasSubstr("'kite run' needs one of its commands: standalone"));
  EXPECT_THAT(Kite({"check", "a", "b"}).err, HasSubstr("b"));
  EXPECT_THAT(Kite({"config", "show", "--bogus"}).err,
              AllOf(HasSubstr("--bogus"), HasSubstr("kite config show --help")));
  EXPECT_THAT(Kite({"config", "show", "--set", "x"}).err, HasSubstr("KEY=VALUE"));
  EXPECT_THAT(Kite({}).err, HasSubstr("Usage: kite"));
  for (const std::vector<const char*>& words : std::vector<std::vector<const char*>>{
           {}, {"x"}, {"run"}, {"check", "a", "b"}, {"config", "show", "--set", "x"}}) {
    EXPECT_EQ(Kite(words).code, 2);
    EXPECT_EQ(Kite(words).out, "");
  }
}

TEST(CliTest, Version) {
  EXPECT_THAT(Kite({"version"}).out, HasSubstr("Kite "));
  EXPECT_EQ(Kite({"--version"}).out, Kite({"version"}).out);
  const nlohmann::json version = nlohmann::json::parse(Kite({"version", "--json"}).out);
  EXPECT_EQ(version["name"], "Kite");
  EXPECT_TRUE(version["milvus_version"].get<std::string>().starts_with("v2."));
}

TEST(CliTest, ConfigShowNamesSources) {
  const Outcome shown =
      Kite({"config", "show", "--json", "--port", "5", "--set", "log.level=warn"});
  const nlohmann::json config = nlohmann::json::parse(shown.out);
  EXPECT_EQ(config["proxy.port"]["value"], 5);
  EXPECT_EQ(config["proxy.port"]["source"], "--port");
  EXPECT_EQ(config["log.level"]["source"], "--set");
  EXPECT_EQ(config["security.allowInsecure"]["value"], false);
  EXPECT_EQ(Kite({"config", "show", "--port", "x"}).code, 2);
}

TEST(CliTest, CheckOfWhatIsNoDatabaseLeavesItAlone) {
  std::string name = ::testing::TempDir() + "/kite_cli_XXXXXX";
  const std::string folder = mkdtemp(name.data());
  const Outcome outcome = Kite({"check", folder.c_str()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr(folder));
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
  EXPECT_EQ(Kite({"check", folder.c_str()}).code, 1);
  const std::string other = "localStorage.path=" + folder + "-other";
  EXPECT_THAT(Kite({"check", "--set", other.c_str()}).err, HasSubstr(folder + "-other"));
}

TEST(ProgressTest, Bytes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.0 KB");
  EXPECT_EQ(FormatBytes(3'440'000), "3.4 MB");
  EXPECT_EQ(FormatBytes(5'000'000'000'000'000), "5000.0 TB");
}

}  // namespace
}  // namespace kite::cli
