#include "store/testing/minio_server.h"

#include <cstdlib>

#include "store/object/http_client.h"

namespace kite::store {
namespace {

constexpr auto kStartTimeout = std::chrono::seconds(60);
constexpr auto kAskTimeout = std::chrono::seconds(1);

std::string Program() {
  const char* named = std::getenv("KITE_MINIO");
  return named != nullptr && named[0] != '\0' ? named : "minio";
}

}  // namespace

Result<std::unique_ptr<MinioServer>> MinioServer::Start(const MinioOptions& options) {
  auto server = std::unique_ptr<MinioServer>(new MinioServer());
  server->folder_ = std::make_unique<TempFolder>();
  const std::string& folder = server->folder_->path();
  server->data_dir_ = options.data_dir.empty() ? folder + "/data" : options.data_dir;
  const bool tls = !options.certs_dir.empty();
  ServerCommand command;
  command.arguments = {Program(),
                       "server",
                       "--quiet",
                       "--address",
                       server->address(),
                       "--certs-dir",
                       tls ? options.certs_dir : folder + "/certs",
                       server->data_dir_};
  // CI_CD: the data may be on the device of the root file system.
  command.environment = {{"MINIO_ROOT_USER", kAccessKey}, {"MINIO_ROOT_PASSWORD", kSecretKey},
                         {"MINIO_BROWSER", "off"},        {"MINIO_CI_CD", "on"},
                         {"MINIO_UPDATE", "off"},         {"HOME", folder}};
  command.environment.insert(options.environment.begin(), options.environment.end());
  command.output_path = folder + "/log";
  HttpOptions http;
  http.ca_file = tls ? options.certs_dir + "/public.crt" : "";
  const auto client = std::make_shared<HttpClient>(http);
  HttpRequest health;
  health.url = (tls ? "https://" : "http://") + server->address() + "/minio/health/ready";
  const auto ready = [client, health] {
    const Result<HttpResponse> answer = client->Do(Context().WithTimeout(kAskTimeout), health);
    return answer.ok() && answer->status == 200;
  };
  KITE_ASSIGN_OR_RETURN(server->process_, ServerProcess::Start(command, ready, kStartTimeout));
  return server;
}

S3Options MinioServer::Options(const std::string& root_path, const std::string& cache_dir) const {
  S3Options options;
  options.address = address();
  options.bucket = "kite-test";
  options.root_path = root_path;
  options.access_key = kAccessKey;
  options.secret_key = kSecretKey;
  options.cache_dir = cache_dir;
  return options;
}

}  // namespace kite::store
