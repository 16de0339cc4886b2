#include "base/status.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace kite {
namespace {

TEST(StatusTest, SuccessIsEmpty) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.kind(), StatusKind::kOk);
  EXPECT_EQ(status.subject(), StatusSubject::kNone);
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(status.ToString(), "Ok");
  EXPECT_EQ(status, Status::Ok());
  EXPECT_TRUE(status.WithContext("context").ok());
  static_assert(sizeof(Status) <= 2 * sizeof(void*));
}

TEST(StatusTest, AFailureSaysWhatHappenedToWhat) {
  const Status status =
      Status::NotFound(StatusSubject::kCollection, "collection 'a' does not exist");
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(status.Is(StatusKind::kNotFound));
  EXPECT_TRUE(status.Is(StatusKind::kNotFound, StatusSubject::kCollection));
  EXPECT_FALSE(status.Is(StatusKind::kNotFound, StatusSubject::kField));
  EXPECT_FALSE(status.Is(StatusKind::kConflict));
  EXPECT_EQ(status.ToString(), "NotFound(Collection): collection 'a' does not exist");
  std::ostringstream out;
  out << status;
  EXPECT_EQ(out.str(), status.ToString());
}

TEST(StatusTest, ContextComesFirst) {
  const Status status =
      Status::Corruption(StatusSubject::kSegment, "bad block").WithContext("segment 7");
  EXPECT_EQ(status, Status::Corruption(StatusSubject::kSegment, "segment 7: bad block"));
}

TEST(StatusTest, CopiesAreEqual) {
  const Status status = Status::Cancelled();
  const Status copy = status;  // NOLINT(performance-unnecessary-copy-initialization)
  EXPECT_EQ(copy, status);
  EXPECT_NE(copy, Status::Cancelled("otherwise"));
  EXPECT_NE(copy, Status());
}

TEST(StatusTest, EveryKindAndSubjectHasItsName) {
  std::set<std::string_view> kinds;
  for (int kind = 0; kind <= static_cast<int>(StatusKind::kInternal); ++kind) {
    kinds.insert(StatusKindName(static_cast<StatusKind>(kind)));
  }
  EXPECT_EQ(kinds.size(), static_cast<size_t>(StatusKind::kInternal) + 1);
  EXPECT_FALSE(kinds.contains("Unknown"));
  std::set<std::string_view> subjects;
  for (int subject = 0; subject <= static_cast<int>(StatusSubject::kRequest); ++subject) {
    subjects.insert(StatusSubjectName(static_cast<StatusSubject>(subject)));
  }
  EXPECT_EQ(subjects.size(), static_cast<size_t>(StatusSubject::kRequest) + 1);
  EXPECT_FALSE(subjects.contains("Unknown"));
}

TEST(StatusTest, Classes) {
  EXPECT_EQ(ClassOf(StatusKind::kOk), StatusClass::kOk);
  EXPECT_EQ(ClassOf(StatusKind::kInvalidArgument), StatusClass::kCaller);
  EXPECT_EQ(ClassOf(StatusKind::kUnavailable), StatusClass::kTransient);
  EXPECT_EQ(ClassOf(StatusKind::kCorruption), StatusClass::kPermanent);
}

Status FailIf(bool fail, int* reached) {
  KITE_RETURN_IF_ERROR(fail ? Status::Internal("failed") : Status());
  ++*reached;
  return {};
}

TEST(StatusTest, ReturnIfError) {
  int reached = 0;
  EXPECT_TRUE(FailIf(false, &reached).ok());
  EXPECT_EQ(reached, 1);
  EXPECT_FALSE(FailIf(true, &reached).ok());
  EXPECT_EQ(reached, 1);
}

}  // namespace
}  // namespace kite
