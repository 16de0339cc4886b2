#include "store/testing/server_process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "base/temp_folder.h"

namespace kite::store {
namespace {

using std::chrono::seconds;

class ServerProcessTest : public testing::Test {
 protected:
  ServerCommand Shell(const std::string& script) {
    return {{"sh", "-c", script}, {{"FOLDER", folder_.path()}}, folder_.path() + "/output"};
  }
  bool Exists(const std::string& name) {
    return std::filesystem::exists(folder_.path() + "/" + name);
  }

  const TempFolder folder_;
};

TEST_F(ServerProcessTest, StartsWaitsAndRestarts) {
  auto started = ServerProcess::Start(
      Shell("echo hello; touch $FOLDER/ready; exec sleep 600"), [&] { return Exists("ready"); },
      seconds(30));
  ASSERT_TRUE(started.ok()) << started.status();
  ServerProcess& server = **started;
  const pid_t first = server.pid();
  EXPECT_GT(first, 0);
  EXPECT_TRUE(server.running());
  EXPECT_EQ(server.OutputTail(100), "hello\n");
  server.Pause();
  server.Resume();
  EXPECT_TRUE(server.running());
  server.Kill();
  EXPECT_FALSE(server.running());
  EXPECT_NE(::kill(first, 0), 0);
  std::filesystem::remove(folder_.path() + "/ready");
  ASSERT_TRUE(server.Restart().ok());
  EXPECT_NE(server.pid(), first);
  EXPECT_EQ(server.OutputTail(100), "hello\nhello\n");
  server.Terminate(seconds(30));
  EXPECT_FALSE(server.running());
}

TEST_F(ServerProcessTest, APausedServerCanBeKilled) {
  auto started = ServerProcess::Start(
      Shell("touch $FOLDER/ready; exec sleep 600"), [&] { return Exists("ready"); }, seconds(30));
  ASSERT_TRUE(started.ok()) << started.status();
  (*started)->Pause();
  (*started)->Kill();
  EXPECT_FALSE((*started)->running());
}

TEST_F(ServerProcessTest, AFailedStartTellsWhy) {
  const auto never = [] { return false; };
  const Status ended =
      ServerProcess::Start(Shell("echo no licence; exit 3"), never, seconds(30)).status();
  EXPECT_TRUE(ended.Is(StatusKind::kUnavailable)) << ended;
  EXPECT_NE(ended.message().find("no licence"), std::string::npos) << ended;
  ServerCommand unknown = Shell("");
  unknown.arguments = {"kite-no-such-program"};
  const Status missing = ServerProcess::Start(unknown, never, seconds(30)).status();
  EXPECT_NE(missing.message().find("is it installed"), std::string::npos) << missing;
  const Status late =
      ServerProcess::Start(Shell("exec sleep 600"), never, std::chrono::milliseconds(50)).status();
  EXPECT_TRUE(late.Is(StatusKind::kDeadlineExceeded)) << late;
}

TEST(FreePortTest, GivesAnotherPortEachTime) {
  const uint16_t port = FreePort();
  EXPECT_NE(port, FreePort());
  EXPECT_FALSE(AcceptsConnections(port));
}

}  // namespace
}  // namespace kite::store
