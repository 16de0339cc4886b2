#include "server/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "server/build_info.h"
#include "server/descriptor.h"
#include "server/http_connection.h"
#include "server/pages.h"

namespace kite::server {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A client's end of a connection.
class Client {
 public:
  explicit Client(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    EXPECT_EQ(connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void Send(std::string_view bytes) const {
    send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  /// Until the server closes.
  [[nodiscard]] std::string ReadAll() const {
    std::string all;
    std::array<char, 4096> buffer{};
    ssize_t got = 0;
    while ((got = recv(socket_.get(), buffer.data(), buffer.size(), 0)) > 0)
      all.append(buffer.data(), static_cast<size_t>(got));
    return all;
  }
  /// Whether there is something to read at this moment.
  [[nodiscard]] bool HasReply() const {
    char byte = 0;
    return recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  }

 private:
  Descriptor socket_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void Start() {
    options_.port = 0;
    auto server = HttpServer::Start(options_, [](const std::string& path) {
      return path == "/big" ? HttpReply{.body = std::string(8 << 20, 'x')}
                            : HttpReply{.body = "path " + path};
    });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = std::move(*server);
  }
  [[nodiscard]] std::string Ask(std::string_view bytes) const {
    const Client client(server_->port());
    client.Send(bytes);
    return client.ReadAll();
  }

  HttpOptions options_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersAPathWithoutItsQuery) {
  Start();
  const std::string reply = Ask("GET /a/b?c=d HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(reply, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Length: 9\r\n"),
                           HasSubstr("Connection: close\r\n"), HasSubstr("\r\n\r\npath /a/b")));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  Start();
  EXPECT_THAT(Ask("HEAD /a HTTP/1.1\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 7\r\n"), Not(HasSubstr("path"))));
}

TEST_F(HttpServerTest, LargeRepliesArriveWhole) {
  Start();
  EXPECT_GT(Ask("GET /big HTTP/1.1\r\n\r\n").size(), size_t{8} << 20);
}

TEST_F(HttpServerTest, RequestsInPieces) {
  Start();
  const Client client(server_->port());
  for (const char c : std::string_view("GET /x HTTP/1.1\r\nA: b\r\n\r\n")) {
    client.Send(std::string_view(&c, 1));
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_THAT(client.ReadAll(), HasSubstr("path /x"));
}

TEST_F(HttpServerTest, RefusesWhatItDoesNotDo) {
  Start();
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: GET, HEAD")));
  EXPECT_THAT(Ask("rubbish\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Ask("GET relative HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Ask("GET / HTTP/2.0\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nA: " + std::string(10'000, 'x')), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(Ask(std::string("\0\xff\x01\r\n\r\n", 7)), StartsWith("HTTP/1.1 400"));
}

TEST_F(HttpServerTest, SilentClientsHoldUpNobody) {
  options_.timeout = std::chrono::hours(1);
  Start();
  std::vector<Client> silent;
  for (int i = 0; i < 20; ++i) silent.emplace_back(server_->port());
  silent.front().Send("GET / HT");
  EXPECT_THAT(Ask("GET /y HTTP/1.1\r\n\r\n"), HasSubstr("path /y"));
}

TEST_F(HttpServerTest, TheDeadlineClosesASilentConnection) {
  options_.timeout = milliseconds(50);
  Start();
  const Client silent(server_->port());
  silent.Send("GET / HT");
  EXPECT_EQ(silent.ReadAll(), "");
}

TEST_F(HttpServerTest, MoreConnectionsThanAllowedWait) {
  options_.connections_max = 2;
  options_.timeout = std::chrono::hours(1);
  Start();
  std::vector<Client> silent;
  for (int i = 0; i < 6; ++i) silent.emplace_back(server_->port());
  const Client waiting(server_->port());
  waiting.Send("GET /z HTTP/1.1\r\n\r\n");
  EXPECT_FALSE(waiting.HasReply());
  silent.clear();
  EXPECT_THAT(waiting.ReadAll(), HasSubstr("path /z"));
}

TEST_F(HttpServerTest, ATakenPortIsNamed) {
  Start();
  HttpOptions second = options_;
  second.port = server_->port();
  const auto server = HttpServer::Start(second, [](const std::string&) { return HttpReply{}; });
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(server.status().message(),
              AllOf(HasSubstr("127.0.0.1:" + std::to_string(second.port)), HasSubstr("in use")));
}

TEST_F(HttpServerTest, IdleCostsNothing) {
  Start();
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\n\r\n"), HasSubstr("200"));
  rusage before{};
  rusage after{};
  getrusage(RUSAGE_SELF, &before);
  std::this_thread::sleep_for(milliseconds(300));
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LE(after.ru_nvcsw - before.ru_nvcsw, 5) << "something wakes up";
}

class FakeDatabase final : public Database {
 public:
  roles::Roles roles() override { return {}; }
  bool Replaced(std::string*) const override { return false; }
  bool Ready(std::string* reason) const override {
    *reason = "loading 3 collections";
    return ready;
  }
  DatabaseStats Stats() const override { return {.collections = 7}; }
  void Stop() override {}

  bool ready = false;
};

TEST(PagesTest, ReadyOnlyWhileServing) {
  const auto log = Log::Open({.to_stderr = false});
  const Metrics metrics(ThisBuild(), **log);
  Pages pages(ThisBuild(), metrics);
  FakeDatabase database;

  EXPECT_EQ(pages.Answer("/livez").body, "OK");
  EXPECT_EQ(pages.Answer("/healthz").status, 200);
  EXPECT_EQ(pages.Answer("/readyz").status, 503);
  EXPECT_THAT(pages.Answer("/metrics").body, Not(HasSubstr("milvus_rootcoord_collection_num")));
  pages.SetDatabase(database, false);
  EXPECT_EQ(pages.Answer("/readyz").status, 503);
  pages.SetDatabase(database, true);
  EXPECT_EQ(pages.Answer("/readyz").body, "loading 3 collections\n");
  database.ready = true;
  EXPECT_EQ(pages.Answer("/readyz").status, 200);
  EXPECT_THAT(pages.Answer("/metrics").body, HasSubstr("milvus_rootcoord_collection_num 7"));
  pages.SetNotReady("stopping");
  EXPECT_EQ(pages.Answer("/readyz").body, "stopping\n");
  EXPECT_EQ(pages.Answer("/livez").status, 200);
  EXPECT_THAT(pages.Answer("/").body, HasSubstr("\"Kite\""));
  EXPECT_EQ(pages.Answer("/nothing").status, 404);
  EXPECT_EQ(pages.Answer("/metrics/").status, 404);
}

}  // namespace
}  // namespace kite::server
