#include "server/object_claim.h"

#include <gtest/gtest.h>

#include "store/meta/memory_meta_store.h"
#include "store/object/memory_object_store.h"

namespace kite::server {
namespace {

const Context kContext;

TEST(ObjectClaimTest, TheFirstDatabaseHasThePlaceAndKeepsIt) {
  const auto meta = *store::OpenMemoryMetaStore(store::NewMetaMemory());
  const auto other_meta = *store::OpenMemoryMetaStore(store::NewMetaMemory());
  const auto objects = *store::OpenMemoryObjectStore();
  EXPECT_TRUE(ClaimObjects(kContext, *meta, *objects, "S3 at a:9000").ok());
  EXPECT_TRUE(ClaimObjects(kContext, *meta, *objects, "S3 at a:9000").ok());
  const Status refused = ClaimObjects(kContext, *other_meta, *objects, "S3 at a:9000");
  EXPECT_TRUE(refused.Is(StatusKind::kFailedPrecondition, StatusSubject::kNode)) << refused;
  EXPECT_NE(refused.message().find("S3 at a:9000"), std::string::npos) << refused;
  const auto elsewhere = *store::OpenMemoryObjectStore();
  EXPECT_TRUE(ClaimObjects(kContext, *other_meta, *elsewhere, "S3 at b:9000").ok());
}

/// A start that ended between the two steps is taken up by the next one.
TEST(ObjectClaimTest, AHalfMadeClaimIsCompleted) {
  const auto meta = *store::OpenMemoryMetaStore(store::NewMetaMemory());
  const auto lost = *store::OpenMemoryObjectStore();
  ASSERT_TRUE(ClaimObjects(kContext, *meta, *lost, "S3").ok());
  const auto objects = *store::OpenMemoryObjectStore();
  EXPECT_TRUE(ClaimObjects(kContext, *meta, *objects, "S3").ok());
}

TEST(ObjectClaimTest, LookingTakesNothing) {
  const auto meta = *store::OpenMemoryMetaStore(store::NewMetaMemory());
  const auto objects = *store::OpenMemoryObjectStore();
  EXPECT_TRUE(CheckClaim(kContext, *meta, *objects, "S3").ok());  // nothing was stored yet
  EXPECT_TRUE(objects->List(kContext, "", "", 1)->objects.empty());
  ASSERT_TRUE(ClaimObjects(kContext, *meta, *objects, "S3").ok());
  EXPECT_TRUE(CheckClaim(kContext, *meta, *objects, "S3").ok());
  const auto empty = *store::OpenMemoryObjectStore();
  const Status missing = CheckClaim(kContext, *meta, *empty, "S3 at b:9000");
  EXPECT_TRUE(missing.Is(StatusKind::kNotFound, StatusSubject::kObject)) << missing;
  EXPECT_NE(missing.message().find("S3 at b:9000"), std::string::npos) << missing;
  const auto other_meta = *store::OpenMemoryMetaStore(store::NewMetaMemory());
  ASSERT_TRUE(ClaimObjects(kContext, *other_meta, *empty, "S3").ok());
  EXPECT_TRUE(CheckClaim(kContext, *meta, *empty, "S3")
                  .Is(StatusKind::kFailedPrecondition, StatusSubject::kNode));
}

}  // namespace
}  // namespace kite::server
