#include "server/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "server/address_file.h"
#include "server/exit_code.h"

namespace kite::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(AddressTest, ParsesAddressesOnly) {
  const auto parse = [](const std::string& text) { return ParseListenAddress("proxy.ip", text); };
  EXPECT_EQ(*parse("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(*parse("localhost"), "127.0.0.1");
  EXPECT_EQ(*parse("[::1]"), "::1");
  EXPECT_EQ(*parse("::"), "::");
  for (const char* bad :
       {"", "example.com", "127.0.0", "127.0.0.1:19530", "[::1", "1.2.3.4.5", "127.0.0.1 "}) {
    const auto result = parse(bad);
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_THAT(result.status().message(), AllOf(HasSubstr("proxy.ip"), HasSubstr(bad)));
  }
}

TEST(AddressTest, KnowsLoopback) {
  for (const char* address : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
  }
  for (const char* address :
       {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "::ffff:10.0.0.1", "fe80::1", "rubbish"}) {
    EXPECT_FALSE(IsLoopback(address)) << address;
  }
}

TEST(AddressTest, OtherMachinesNeedWords) {
  EXPECT_TRUE(CheckExposure("proxy.ip", "127.0.0.1", false).ok());
  EXPECT_TRUE(CheckExposure("proxy.ip", "0.0.0.0", true).ok());
  const Status refused = CheckExposure("proxy.ip", "0.0.0.0", false);
  EXPECT_THAT(refused.message(), AllOf(HasSubstr("proxy.ip"), HasSubstr("0.0.0.0"),
                                       HasSubstr("--set security.allowInsecure=true")));
  EXPECT_EQ(ExitCodeOf(refused), ExitCode::kUsage);
}

TEST(AddressTest, Endpoints) {
  EXPECT_EQ(Endpoint("127.0.0.1", 1), "127.0.0.1:1");
  EXPECT_EQ(Endpoint("::1", 1), "[::1]:1");
  EXPECT_EQ(LocalEndpoint("0.0.0.0", 1), "127.0.0.1:1");
  EXPECT_EQ(LocalEndpoint("::", 1), "[::1]:1");
  EXPECT_EQ(LocalEndpoint("10.1.2.3", 1), "10.1.2.3:1");
}

TEST(AddressFileTest, NamesALivingProcessOnly) {
  std::string name = ::testing::TempDir() + "/kite_address_XXXXXX";
  const std::string folder = mkdtemp(name.data());
  const std::shared_ptr<Disk> disk = Disk::System();
  EXPECT_FALSE(ReadAddressFile(*disk, folder));

  ASSERT_TRUE(
      WriteAddressFile(*disk, folder, {getpid(), "127.0.0.1:1", "127.0.0.1:2", "0.1.0"}).ok());
  const auto read = ReadAddressFile(*disk, folder);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->pid, getpid());
  EXPECT_EQ(read->grpc, "127.0.0.1:1");
  EXPECT_EQ(read->http, "127.0.0.1:2");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1)
      << "a temporary file was left";

  ASSERT_TRUE(WriteAddressFile(*disk, folder, {INT32_MAX, "", "", ""}).ok());
  EXPECT_FALSE(ReadAddressFile(*disk, folder));
  for (const char* damaged : {"", "{", "[]", "{\"pid\":\"1\"}", "{\"pid\":-1}", "{\"pid\":1e99}"}) {
    std::ofstream(folder + "/server.json") << damaged;
    EXPECT_FALSE(ReadAddressFile(*disk, folder)) << damaged;
  }
  ASSERT_TRUE(RemoveAddressFile(*disk, folder).ok());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace kite::server
