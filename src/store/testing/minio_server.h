// A MinIO server for a test, on a port of its own. The program is $KITE_MINIO, else `minio` in
// PATH.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/temp_folder.h"
#include "store/object/s3_object_store.h"
#include "store/testing/server_process.h"

namespace kite::store {

struct MinioOptions {
  std::string data_dir;   ///< empty: a temporary folder, removed at the end
  std::string certs_dir;  ///< with public.crt and private.key: serves TLS
  std::map<std::string, std::string> environment;
};

class MinioServer {
 public:
  static constexpr const char* kAccessKey = "kite-access";
  static constexpr const char* kSecretKey = "kite-secret";

  /// Waits until it answers.
  static Result<std::unique_ptr<MinioServer>> Start(const MinioOptions& options = {});

  [[nodiscard]] ServerProcess& process() { return *process_; }
  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] const std::string& data_dir() const { return data_dir_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  /// Options of a store in the bucket "kite-test".
  [[nodiscard]] S3Options Options(const std::string& root_path, const std::string& cache_dir) const;

 private:
  MinioServer() : port_(FreePort()) {}

  const uint16_t port_;
  std::unique_ptr<TempFolder> folder_;
  std::string data_dir_;
  std::unique_ptr<ServerProcess> process_;
};

}  // namespace kite::store
