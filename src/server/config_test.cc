#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/text_distance.h"

namespace kite::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    std::string name = ::testing::TempDir() + "/kite_config_XXXXXX";
    folder_ = mkdtemp(name.data());
    // Nothing of the machine's own configuration.
    inputs_.environment = {"MILVUSCONF=" + folder_};
  }
  ~ConfigTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  void Environment(const std::string& entry) { inputs_.environment.push_back(entry); }
  void Flag(const std::string& flag, const std::string& key, const std::string& value) {
    inputs_.flags.push_back({flag, key, value});
  }
  [[nodiscard]] Config Load() const {
    Result<Config> config = Config::Load(inputs_);
    EXPECT_TRUE(config.ok()) << config.status();
    return std::move(config).value();
  }
  [[nodiscard]] std::string Failure() const {
    const Result<Config> config = Config::Load(inputs_);
    return config.ok() ? "" : config.status().message();
  }

  std::string folder_;
  ConfigInputs inputs_;
};

TEST_F(ConfigTest, DefaultsAreValidThemselves) {
  const Config config = Load();
  for (const ConfigKey& key : ConfigKeys()) {
    EXPECT_EQ(config.Get(key.name).source, "default");
    inputs_.flags = {{"--set", std::string(key.name), std::string(key.default_value)}};
    EXPECT_EQ(Load().Text(key.name), key.default_value) << key.name;
  }
  EXPECT_EQ(config.Int("proxy.port"), 19530);
  EXPECT_FALSE(config.Bool("security.allowInsecure"));
  EXPECT_THAT(config.warnings(), IsEmpty());
}

TEST_F(ConfigTest, TheTableIsSortedAndItsNamesDiffer) {
  const auto keys = ConfigKeys();
  EXPECT_TRUE(std::ranges::is_sorted(keys, {}, &ConfigKey::name));
  for (const ConfigKey& key : keys) {
    EXPECT_EQ(FindConfigKey(key.name), &key) << key.name << " is spelt like another key";
    EXPECT_EQ(key.default_value.find('|'), std::string_view::npos);
    EXPECT_FALSE(key.description.empty());
  }
}

TEST_F(ConfigTest, LaterBeatsEarlier) {
  const std::string milvus =
      Write("milvus.yaml", "proxy: {port: 1, maxDimension: 11}\nlog: {level: warn}\n");
  const std::string middle = Write("default.yaml", "proxy: {port: 2}\n");
  const std::string user = Write("user.yaml", "proxy: {port: 3, maxNameLength: 33}\n");
  Config config = Load();
  EXPECT_THAT(config.files(), ElementsAre(milvus, middle, user));
  EXPECT_EQ(config.Int("proxy.port"), 3);
  EXPECT_EQ(config.Get("proxy.port").source, user);
  EXPECT_EQ(config.Get("log.level").source, milvus);

  Environment("PROXY_PORT=4");
  EXPECT_EQ(Load().Int("proxy.port"), 4);
  EXPECT_EQ(Load().Get("proxy.port").source, "PROXY_PORT");
  Environment("MILVUS_CONF_PROXY_PORT=5");
  Environment("proxy_port=6");
  EXPECT_EQ(Load().Int("proxy.port"), 5);
  Flag("--set", "proxy.port", "7");
  Flag("--port", "proxy.port", "8");
  config = Load();
  EXPECT_EQ(config.Int("proxy.port"), 8);
  EXPECT_EQ(config.Get("proxy.port").source, "--port");
  EXPECT_EQ(config.Int("proxy.maxNameLength"), 33);
}

TEST_F(ConfigTest, AFileThatIsNamedIsTheOnlyOne) {
  Write("user.yaml", "proxy: {port: 3}\n");
  inputs_.file = Write("mine.yaml", "metrics: {port: 4}\n");
  EXPECT_EQ(Load().Int("proxy.port"), 19530);
  EXPECT_EQ(Load().Int("metrics.port"), 4);
  inputs_.file = folder_;
  EXPECT_EQ(Load().Int("proxy.port"), 3);
  inputs_.file = folder_ + "/missing.yaml";
  EXPECT_THAT(Failure(), HasSubstr("missing.yaml"));
}

TEST_F(ConfigTest, SpellingsOfTheSameKey) {
  Environment("PROXY_GRPC_SERVERMAXRECVSIZE=2000000");
  Flag("--set", "proxy.maxnamelength", "44");
  Flag("--set", "proxy/maxDimension", "55");
  const Config config = Load();
  EXPECT_EQ(config.Int("proxy.grpc.serverMaxRecvSize"), 2000000);
  EXPECT_EQ(config.Int("proxy.maxNameLength"), 44);
  EXPECT_EQ(config.Int("proxy.maxDimension"), 55);
}

TEST_F(ConfigTest, ServiceLinksOfKubernetesAreIgnored) {
  Environment("PROXY_PORT=tcp://10.0.0.1:19530");
  Environment("METRICS_PORT=udp://10.0.0.1:9091");
  EXPECT_EQ(Load().Get("proxy.port").source, "default");
  EXPECT_EQ(Load().Get("metrics.port").source, "default");
}

TEST_F(ConfigTest, EmptyMeansNotSet) {
  Write("milvus.yaml", "proxy:\n  ip: # the first address\n  port: 5\nlog:\n");
  Environment("PROXY_PORT=");
  EXPECT_EQ(Load().Text("proxy.ip"), "127.0.0.1");
  EXPECT_EQ(Load().Int("proxy.port"), 5);
}

TEST_F(ConfigTest, BadValuesNameKeyValueSourceAndWhatIsAllowed) {
  Environment("PROXY_PORT=99999");
  EXPECT_THAT(Failure(), AllOf(HasSubstr("proxy.port"), HasSubstr("'99999'"),
                               HasSubstr("PROXY_PORT"), HasSubstr("from 0 to 65535")));
  inputs_.environment.pop_back();
  for (const char* value : {"", "x", "1.5", "0x10", " 1", "1 ", "-1", "99999999999999999999"}) {
    inputs_.flags = {{"--set", "proxy.port", value}};
    EXPECT_THAT(Failure(), HasSubstr("proxy.port")) << value;
  }
  inputs_.flags = {{"--set", "log.level", "loud"}};
  EXPECT_THAT(Failure(), AllOf(HasSubstr("log.level"), HasSubstr("debug, info, warn")));
  inputs_.flags = {{"--set", "security.allowInsecure", "perhaps"}};
  EXPECT_THAT(Failure(), HasSubstr("true or false"));
}

TEST_F(ConfigTest, ValuesAreNormalised) {
  Flag("--set", "log.level", "INFO");
  Flag("--set", "security.allowInsecure", "True");
  Flag("--set", "proxy.port", "0");
  const Config config = Load();
  EXPECT_EQ(config.Text("log.level"), "info");
  EXPECT_TRUE(config.Bool("security.allowInsecure"));
  EXPECT_EQ(config.Int("proxy.port"), 0);
}

TEST_F(ConfigTest, UnknownKeysAreWarnedAboutWithTheNearest) {
  const std::string path = Write("milvus.yaml", "proxy:\n  maxNameLenght: 9\nfrobnicate: 1\n");
  Environment("MILVUS_CONF_LOG_LEVLE=info");
  Environment("SOMETHING_ELSE=1");
  const std::vector<std::string> warnings = Load().warnings();
  ASSERT_EQ(warnings.size(), 3U);
  EXPECT_THAT(warnings[0], AllOf(HasSubstr("maxNameLenght"), HasSubstr("'proxy.maxNameLength'"),
                                 HasSubstr(path)));
  EXPECT_THAT(warnings[1], AllOf(HasSubstr("frobnicate"), Not(HasSubstr("did you mean"))));
  EXPECT_THAT(warnings[2], AllOf(HasSubstr("LOG_LEVLE"), HasSubstr("'log.level'")));
}

TEST_F(ConfigTest, KeysThatOnlyMilvusNeedsAreAccepted) {
  Write("milvus.yaml",
        "etcd: {log: {level: info}, metaSubPath: meta}\nproxy: {timeTickInterval: 200, accessLog: "
        "{enable: false}}\n"
        "common: {gracefulTime: 5000}\nquotaAndLimits: {dml: {enabled: false}}\n");
  EXPECT_THAT(Load().warnings(), IsEmpty());
  EXPECT_EQ(Load().unused().size(), 6U);
  Environment("PULSAR_ADDRESS=pulsar:6650");
  EXPECT_THAT(Load().warnings(), ElementsAre(HasSubstr("PULSAR_ADDRESS")));
}

TEST_F(ConfigTest, WhatIsNoConfigurationIsRefusedWithNameAndLine) {
  Write("milvus.yaml", "proxy: [unclosed\n  : :\n");
  EXPECT_THAT(Failure(), AllOf(HasSubstr("milvus.yaml"), HasSubstr("line ")));
  Write("milvus.yaml", "- a\n- b\n");
  EXPECT_THAT(Failure(), HasSubstr("milvus.yaml"));
  Write("milvus.yaml", "? [a, b]\n: 1\n");
  EXPECT_THAT(Failure(), HasSubstr("plain name"));
  Write("milvus.yaml", std::string((1 << 20) + 1, '#'));
  EXPECT_THAT(Failure(), HasSubstr("1 MiB"));
  Write("milvus.yaml", "");
  EXPECT_EQ(Failure(), "");
}

TEST_F(ConfigTest, HostileFilesAreBounded) {
  std::string deep;
  for (int i = 0; i < 50; ++i) deep += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  Write("milvus.yaml", deep + std::string(50, ' ') + "b: 1\n");
  EXPECT_THAT(Failure(), HasSubstr("nested too deeply"));
  Write("milvus.yaml", std::string(100'000, '['));
  EXPECT_THAT(Failure(), HasSubstr("milvus.yaml"));
  std::string laughs = "a0: &a0 {x: 1, y: 1, z: 1}\n";
  for (int i = 1; i < 14; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " {x: " + before +
              ", y: " + before + ", z: " + before + "}\n";
  }
  Write("milvus.yaml", laughs);
  EXPECT_THAT(Failure(), HasSubstr("too large"));
}

TEST(TextDistanceTest, CountsEdits) {
  EXPECT_EQ(TextDistance("", "abc"), 3U);
  EXPECT_EQ(TextDistance("abc", "abc"), 0U);
  EXPECT_EQ(TextDistance("abc", "acb"), 1U);
  EXPECT_EQ(TextDistance("kitten", "sitting"), 3U);
  constexpr std::string_view kWords[] = {"run", "check", "config"};
  EXPECT_EQ(NearestText("chekc", kWords), "check");
  EXPECT_EQ(NearestText("frobnicate", kWords), "");
  EXPECT_EQ(NearestText(std::string(100'000, 'x'), kWords), "");
}

TEST(OperationsDocTest, ListsTheKeysAsTheyAre) {
  std::ifstream file("../../docs/operations.md");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(text.str().find(ConfigKeysAsMarkdown()) != std::string::npos)
      << "the table in docs/operations.md must be:\n"
      << ConfigKeysAsMarkdown();
}

}  // namespace
}  // namespace kite::server
