#include "api/error_code.h"

#include <gtest/gtest.h>

#include <set>

namespace kite::api {
namespace {

constexpr int kKinds = static_cast<int>(StatusKind::kInternal);
constexpr int kSubjects = static_cast<int>(StatusSubject::kRequest);

template <typename Body>
void ForEveryFailure(const Body& body) {
  for (int kind = 1; kind <= kKinds; ++kind) {
    for (int subject = 0; subject <= kSubjects; ++subject) {
      body(Status(static_cast<StatusKind>(kind), static_cast<StatusSubject>(subject), "why"));
    }
  }
}

TEST(ErrorCode, SuccessIsAnEmptyStatus) {
  EXPECT_EQ(CodeOf({}), ErrorCode{});
  pb_common::Status status;
  EncodeStatus({}, &status);
  EXPECT_EQ(status.ByteSizeLong(), 0U);
}

TEST(ErrorCode, EveryFailureHasACodeInMilvussRanges) {
  ForEveryFailure([](const Status& status) {
    const ErrorCode code = CodeOf(status);
    EXPECT_GT(code.code, 0) << status;
    EXPECT_TRUE(code.code <= 3000 || code.code == 10000 || code.code == 10001 || code.code == 65535) << status;
    EXPECT_EQ(code.legacy, LegacyCode(code.code)) << status;
    EXPECT_NE(code.legacy, pb_common::Success) << status;
    EXPECT_TRUE(pb_common::ErrorCode_IsValid(code.legacy)) << status;
  });
}

TEST(ErrorCode, RetriableAgreesWithTheClassAndIsNeverTheCallersFault) {
  ForEveryFailure([](const Status& status) {
    const ErrorCode code = CodeOf(status);
    EXPECT_FALSE(code.retriable && code.input_error) << status;
    const StatusClass kind_class = ClassOf(status.kind());
    if (code.input_error) {
      EXPECT_EQ(kind_class, StatusClass::kCaller) << status;
    }
    if (kind_class == StatusClass::kPermanent) {
      EXPECT_FALSE(code.retriable) << status;
    }
  });
}

TEST(ErrorCode, OneCodeNeverMeansTwoThings) {
  // What clients branch on must come from one kind of failure only.
  for (const int32_t branched : {8, 100, 109, 700, 800}) {
    std::set<StatusKind> kinds;
    ForEveryFailure([&](const Status& status) {
      if (CodeOf(status).code == branched) kinds.insert(status.kind());
    });
    EXPECT_EQ(kinds.size(), 1U) << branched;
  }
}

TEST(ErrorCode, WhatClientsBranchOn) {
  using S = StatusSubject;
  // pymilvus: ErrorCode.RATE_LIMIT, COLLECTION_NOT_FOUND, INDEX_NOT_FOUND; common_pb2.SchemaMismatch, RateLimit.
  EXPECT_EQ(CodeOf(Status::BackPressure(S::kNode, "")), (ErrorCode{8, pb_common::RateLimit, true, false}));
  EXPECT_EQ(CodeOf(Status::NotFound(S::kCollection, "")),
            (ErrorCode{100, pb_common::CollectionNotExists, false, true}));
  EXPECT_EQ(CodeOf(Status::NotFound(S::kIndex, "")), (ErrorCode{700, pb_common::IndexNotExist, false, true}));
  EXPECT_EQ(CodeOf(Status(StatusKind::kMismatch, S::kSchema, "")),
            (ErrorCode{109, pb_common::SchemaMismatch, true, false}));
  EXPECT_EQ(CodeOf(Status::NotFound(S::kDatabase, "")).code, 800);
  EXPECT_EQ(CodeOf(Status::NotFound(S::kPartition, "")).code, 200);
  EXPECT_EQ(CodeOf(Status::FailedPrecondition(S::kCollection, "")).code, 101);
  EXPECT_EQ(CodeOf(Status::InvalidArgument("")), (ErrorCode{1100, pb_common::IllegalArgument, false, true}));
  EXPECT_EQ(CodeOf(Status::Exhausted(S::kMemory, "")).legacy, pb_common::InsufficientMemoryToLoad);
  EXPECT_EQ(CodeOf(Status::Internal("")), (ErrorCode{65535, pb_common::UnexpectedError, false, false}));
}

TEST(ErrorCode, TheReplyCarriesTextAndBlame) {
  pb_common::Status status;
  EncodeStatus(Status::NotFound(StatusSubject::kCollection, "can't find collection[collection=x]"), &status);
  EXPECT_EQ(status.reason(), "can't find collection[collection=x]");
  EXPECT_EQ(status.detail(), status.reason());
  EXPECT_EQ(status.extra_info().at("is_input_error"), "true");
  EXPECT_FALSE(status.retriable());
}

}  // namespace
}  // namespace kite::api
