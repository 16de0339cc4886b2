// Builds: what is built, failures, cancelling, full executors.
#include "roles/indexcoord/indexcoord_fixture.h"

namespace kite::roles {
namespace {

TEST_F(IndexCoordTest, BuildsWhatIsThereAndWhatComes) {
  data_node_.AddSegment(channel_, Segment(1, 5000));
  data_node_.AddSegment(other_channel_, Segment(2, 6000));
  Create(Request("vec"));
  EXPECT_TRUE(EventuallyFinished("vec"));
  EXPECT_EQ(Describe("vec").indexed_rows, 11000);
  EXPECT_EQ(data_node_.indexes(channel_), 1u);
  EXPECT_EQ(data_node_.indexes(other_channel_), 1u);
  data_node_.AddSegment(channel_, Segment(3, 2000));
  coord_->OnSegmentsChanged(channel_);
  EXPECT_TRUE(EventuallyFinished("vec"));
  EXPECT_EQ(data_node_.indexes(channel_), 2u);
  EXPECT_EQ(index_node_.builds(), 3) << "nothing is built twice";
}

TEST_F(IndexCoordTest, SmallSegmentsAreNotBuiltAndCountAsDone) {
  data_node_.AddSegment(channel_, Segment(1, 1023));
  Create(Request("vec"));
  const IndexDescription description = Describe("vec");
  EXPECT_EQ(description.state, IndexState::kFinished);
  EXPECT_EQ(description.indexed_rows, 1023);
  EXPECT_EQ(description.total_rows, 1023);
  pool_.Drain();
  EXPECT_EQ(index_node_.builds(), 0);
}

TEST_F(IndexCoordTest, ProgressIsTrue) {
  index_node_.Hold(true);
  data_node_.AddSegment(channel_, Segment(1, 4000));
  data_node_.AddSegment(channel_, Segment(2, 100));
  Create(Request("vec"));
  ASSERT_TRUE(Eventually([&] { return index_node_.running() == 1; }));
  const IndexDescription half = Describe("vec");
  EXPECT_EQ(half.state, IndexState::kInProgress);
  EXPECT_EQ(half.total_rows, 4100);
  EXPECT_EQ(half.pending_rows, 2000);
  EXPECT_EQ(half.indexed_rows, 2100);
  index_node_.Hold(false);
  EXPECT_TRUE(EventuallyFinished("vec"));
  EXPECT_EQ(Describe("vec").pending_rows, 0);
}

TEST_F(IndexCoordTest, GrowingRowsDoNotHoldUp) {
  data_node_.SetGrowing(channel_, 100000);
  Create(Request("vec"));
  const IndexDescription description = Describe("vec");
  EXPECT_EQ(description.state, IndexState::kFinished);
  EXPECT_EQ(description.total_rows, 0);
}

TEST_F(IndexCoordTest, FailureIsTriedAgain) {
  index_node_.Fail(2, Status::IoError(StatusSubject::kDisk, "disk broke"));
  data_node_.AddSegment(channel_, Segment(1, 4000));
  Create(Request("vec"));
  EXPECT_TRUE(EventuallyFinished("vec"));
  EXPECT_EQ(index_node_.builds(), 3);
}

TEST_F(IndexCoordTest, AStoreThatIsAwayIsNoFailure) {
  index_node_.Fail(4, Status::Unavailable(StatusSubject::kObject, "the S3 store does not answer"));
  data_node_.AddSegment(channel_, Segment(1, 4000));
  Create(Request("vec"));
  EXPECT_TRUE(EventuallyFinished("vec"));
  EXPECT_EQ(index_node_.builds(), 5);
}

TEST_F(IndexCoordTest, FailureForGoodIsReportedWithItsCause) {
  index_node_.Fail(3, Status::IoError(StatusSubject::kDisk, "disk broke"));
  data_node_.AddSegment(channel_, Segment(1, 4000));
  Create(Request("vec"));
  ASSERT_TRUE(Eventually([&] { return Describe("vec").state == IndexState::kFailed; }));
  EXPECT_EQ(Describe("vec").fail_reason, "segment 1: disk broke");
  EXPECT_EQ(Describe("vec").pending_rows, 4000);
  pool_.Drain();
  EXPECT_EQ(index_node_.builds(), 3) << "asking starts nothing";
  Create(Request("vec"));
  EXPECT_TRUE(EventuallyFinished("vec")) << "asking for the index again gives it another chance";
}

TEST_F(IndexCoordTest, ReplacedSegmentsAreForgotten) {
  index_node_.Hold(true);
  data_node_.AddSegment(channel_, Segment(1, 4000));
  Create(Request("vec"));
  ASSERT_TRUE(Eventually([&] { return index_node_.running() == 1; }));
  data_node_.RemoveSegment(channel_, model::SegmentId(1));
  data_node_.AddSegment(channel_, Segment(2, 3000));
  coord_->OnSegmentsChanged(channel_);
  index_node_.Hold(false);
  EXPECT_TRUE(EventuallyFinished("vec"));
  pool_.Drain();
  EXPECT_EQ(data_node_.indexes(channel_), 1u);
  EXPECT_EQ(index_node_.builds(), 2);
}

TEST_F(IndexCoordTest, DropCancelsBuilds) {
  index_node_.Hold(true);
  for (int i = 1; i <= 10; ++i) data_node_.AddSegment(channel_, Segment(i, 4000));
  Create(Request("vec"));
  ASSERT_TRUE(Eventually([&] { return index_node_.running() == 2; }));
  ASSERT_TRUE(coord_->DropIndex(context_, docs_, "vec", "").ok());
  ASSERT_TRUE(Eventually([&] { return index_node_.running() == 0; }));
  pool_.Drain();
  EXPECT_EQ(index_node_.cancelled(), 2);
  EXPECT_EQ(index_node_.builds(), 2);
  EXPECT_EQ(data_node_.indexes(channel_), 0u);
}

TEST_F(IndexCoordTest, DroppedCollectionCancelsBuilds) {
  index_node_.Hold(true);
  for (int i = 1; i <= 10; ++i) data_node_.AddSegment(channel_, Segment(i, 4000));
  Create(Request("vec"));
  ASSERT_TRUE(Eventually([&] { return index_node_.running() == 2; }));
  root_coord_.Remove("docs");
  coord_->OnCollectionDropped(channel_.collection);
  pool_.Drain();
  EXPECT_EQ(index_node_.cancelled(), 2);
  EXPECT_EQ(index_node_.builds(), 2);
  EXPECT_TRUE(coord_->Indexes(channel_.collection).empty());
}

TEST_F(IndexCoordTest, StopEndsRunningBuilds) {
  index_node_.Hold(true);
  for (int i = 1; i <= 10; ++i) data_node_.AddSegment(channel_, Segment(i, 4000));
  Create(Request("vec"));
  ASSERT_TRUE(Eventually([&] { return index_node_.running() == 2; }));
  coord_->Stop();
  EXPECT_EQ(index_node_.running(), 0);
  coord_->OnSegmentsChanged(channel_);
  pool_.Drain();
  EXPECT_EQ(index_node_.builds(), 2);
  index_node_.Hold(false);
  Start();
  EXPECT_TRUE(EventuallyFinished("vec")) << "a start finds what is missing";
  EXPECT_EQ(data_node_.indexes(channel_), 10u);
}

TEST_F(IndexCoordTest, AtMostSoManyAtATime) {
  for (int i = 1; i <= 30; ++i) data_node_.AddSegment(channel_, Segment(i, 4000));
  Create(Request("vec"));
  Create(Request("vec2"));
  EXPECT_TRUE(EventuallyFinished("vec"));
  EXPECT_TRUE(EventuallyFinished("vec2"));
  EXPECT_EQ(data_node_.indexes(channel_), 60u);
  EXPECT_LE(index_node_.running_max(), 2);
  EXPECT_EQ(index_node_.builds(), 60) << "nothing is built twice";
}

TEST_F(IndexCoordTest, FullExecutorIsNoLoss) {
  // All threads and all places of the queue are taken.
  std::mutex mutex;
  std::unique_lock hold(mutex);
  while (pool_.Submit([&] { const std::lock_guard lock(mutex); }).ok()) {
  }
  data_node_.AddSegment(channel_, Segment(1, 4000));
  Create(Request("vec"));
  EXPECT_EQ(Describe("vec").state, IndexState::kInProgress);
  hold.unlock();
  pool_.Drain();
  EXPECT_TRUE(EventuallyFinished("vec")) << "asking finds the work that could not be handed over";
}

TEST_F(IndexCoordTest, ChannelThatCannotBeReadIsLookedAtAgain) {
  data_node_.AddSegment(channel_, Segment(1, 4000));
  data_node_.FailNext(Status::IoError(StatusSubject::kDisk, "broken"));
  Create(Request("vec"));
  pool_.Drain();
  (void)coord_->DescribeIndex(context_, docs_, "", "vec");
  EXPECT_TRUE(EventuallyFinished("vec"));
}

}  // namespace
}  // namespace kite::roles
