#include "store/object/s3_credentials.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <fstream>
#include <map>
#include <thread>

#include "base/temp_folder.h"

namespace kite::store {
namespace {

/// The metadata service of a container and of an instance, and STS.
class MetadataService {
 public:
  MetadataService() {
    server_.Put("/latest/api/token", [](const auto& request, auto& response) {
      if (request.has_header("X-aws-ec2-metadata-token-ttl-seconds"))
        response.set_content("imds-token", "text/plain");
    });
    server_.Get("/latest/meta-data/iam/security-credentials/",
                [this](const auto& request, auto& response) {
                  if (request.get_header_value("X-aws-ec2-metadata-token") != "imds-token")
                    response.status = 401;
                  response.set_content(role_, "text/plain");
                });
    server_.Get("/latest/meta-data/iam/security-credentials/kite-role",
                [this](const auto&, auto& response) { GiveKeys("instance", response); });
    server_.Get("/container", [this](const auto& request, auto& response) {
      if (request.get_header_value("Authorization") != "container-token") response.status = 403;
      GiveKeys("container", response);
    });
    server_.Post("/", [this](const auto& request, auto& response) {
      ++asked_;
      const bool right = request.get_param_value("WebIdentityToken") == "web-token" &&
                         request.get_param_value("RoleArn") == "arn:role";
      if (!right) response.status = 400;
      response.set_content(
          "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
          "<AccessKeyId>web</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
          "<SessionToken>session</SessionToken><Expiration>" +
              ends_at_ +
              "</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
              "</AssumeRoleWithWebIdentityResponse>",
          "text/xml");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();  // stop() before that is lost
  }
  ~MetadataService() {
    server_.stop();
    thread_.join();
  }

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] int asked() const { return asked_; }

  std::string role_ = "kite-role";
  std::string ends_at_ = "2030-01-01T00:00:00Z";
  std::atomic<bool> failing_ = false;

 private:
  void GiveKeys(const std::string& name, httplib::Response& response) {
    ++asked_;
    if (failing_) response.status = 500;
    response.set_content(R"({"AccessKeyId":")" + name + R"(","SecretAccessKey":"secret","Token":)" +
                             R"("session","Expiration":")" + ends_at_ + "\"}",
                         "application/json");
  }

  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  std::atomic<int> asked_ = 0;
};

constexpr int64_t kNow = 1893456000 - 3600;  // an hour before 2030

class S3CredentialsTest : public testing::Test {
 protected:
  std::unique_ptr<S3CredentialSource> Source() {
    return S3CredentialSource::Iam(
        service_.url(), "",
        [this](const std::string& name) {
          const auto found = environment_.find(name);
          return found == environment_.end() ? "" : found->second;
        },
        clock_);
  }

  std::string AccessKey(S3CredentialSource& source) {
    const Result<S3Credentials> keys = source.Get(Context());
    return keys.ok() ? keys->access_key : keys.status().ToString();
  }

  MetadataService service_;
  std::map<std::string, std::string> environment_;
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(kNow * 1'000'000);
};

TEST_F(S3CredentialsTest, TheEnvironmentComesFirst) {
  environment_ = {{"AWS_ACCESS_KEY_ID", "env"},
                  {"AWS_SECRET_ACCESS_KEY", "secret"},
                  {"AWS_SESSION_TOKEN", "session"}};
  const auto keys = Source()->Get(Context());
  EXPECT_EQ(keys->access_key, "env");
  EXPECT_EQ(keys->session_token, "session");
}

TEST_F(S3CredentialsTest, TheInstance) {
  const auto source = Source();
  EXPECT_EQ(AccessKey(*source), "instance");
  EXPECT_EQ(AccessKey(*source), "instance");
  EXPECT_EQ(service_.asked(), 1);
}

TEST_F(S3CredentialsTest, TheContainer) {
  environment_ = {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", service_.url() + "/container"},
                  {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"}};
  EXPECT_EQ(AccessKey(*Source()), "container");
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "wrong";
  EXPECT_NE(AccessKey(*Source()).find("HTTP status 403"), std::string::npos);
}

TEST_F(S3CredentialsTest, AWebIdentity) {
  const TempFolder folder;
  std::ofstream(folder.path() + "/token") << "web-token\n";
  environment_ = {{"AWS_WEB_IDENTITY_TOKEN_FILE", folder.path() + "/token"},
                  {"AWS_ROLE_ARN", "arn:role"}};
  EXPECT_EQ(AccessKey(*Source()), "web");
  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder.path() + "/none";
  EXPECT_NE(AccessKey(*Source()).find("/none"), std::string::npos);
}

TEST_F(S3CredentialsTest, TheyAreRenewedBeforeTheirEndAndKeptWhenThatFails) {
  const auto source = Source();
  EXPECT_EQ(AccessKey(*source), "instance");
  clock_->Advance(int64_t{56} * 60 * 1'000'000);
  service_.failing_ = true;
  EXPECT_EQ(AccessKey(*source), "instance");
  EXPECT_EQ(service_.asked(), 2);
  clock_->Advance(int64_t{5} * 60 * 1'000'000);
  const auto ended = source->Get(Context());
  EXPECT_TRUE(ended.status().Is(StatusKind::kFailedPrecondition)) << ended.status();
  service_.failing_ = false;
  service_.ends_at_ = "2031-01-01T00:00:00Z";
  EXPECT_EQ(AccessKey(*source), "instance");
  source->Expire();
  const int before = service_.asked();
  EXPECT_EQ(AccessKey(*source), "instance");
  EXPECT_EQ(service_.asked(), before + 1);
}

TEST_F(S3CredentialsTest, NoneAnywhereNamesWhatWasTried) {
  service_.role_ = "no-such-role";
  const Status none = Source()->Get(Context()).status();
  EXPECT_TRUE(none.Is(StatusKind::kFailedPrecondition, StatusSubject::kObject)) << none;
  EXPECT_NE(none.message().find("AWS_ACCESS_KEY_ID"), std::string::npos) << none;
}

}  // namespace
}  // namespace kite::store
