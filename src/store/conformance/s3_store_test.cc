// The object store suite on a real MinIO server, one for all cases, each under a root path of its
// own.
#include <atomic>

#include "base/temp_folder.h"
#include "store/conformance/object_store_conformance.h"
#include "store/object/s3_object_store.h"
#include "store/testing/minio_server.h"

namespace kite::store {
namespace {

Result<MinioServer*> SharedServer() {
  static const Result<std::unique_ptr<MinioServer>> server = MinioServer::Start();
  if (!server.ok()) return server.status();
  return server->get();
}

class S3Harness final : public ObjectStoreHarness {
 public:
  explicit S3Harness(std::string root_path) : root_path_(std::move(root_path)) {}

  Result<std::unique_ptr<ObjectStore>> Open() override {
    KITE_ASSIGN_OR_RETURN(const MinioServer* server, SharedServer());
    return OpenS3ObjectStore(Context(), server->Options(root_path_, cache_.path()));
  }

  bool Restart() override {
    const Result<MinioServer*> server = SharedServer();
    return server.ok() && (*server)->process().Restart().ok();
  }

 private:
  const std::string root_path_;
  const TempFolder cache_;
};

ObjectStoreCase S3Case(std::string name) {
  return {std::move(name), [] {
            static std::atomic<int> cases = 0;
            return std::make_unique<S3Harness>("case-" + std::to_string(cases++) + "/files");
          }};
}

INSTANTIATE_TEST_SUITE_P(S3, ObjectStoreConformance, testing::Values(S3Case("minio")),
                         ObjectStoreCaseName);

}  // namespace
}  // namespace kite::store
