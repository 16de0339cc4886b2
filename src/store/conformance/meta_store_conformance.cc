#include "store/conformance/meta_store_conformance.h"

#include <atomic>
#include <thread>

namespace kite::store {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MetaStoreConformance);

using std::chrono::milliseconds;

void EventLog::Add(const std::vector<MetaEvent>& events) {
  const std::lock_guard lock(mutex_);
  batches_.push_back(events);
  added_.notify_all();
}

std::vector<std::vector<MetaEvent>> EventLog::WaitFor(size_t n) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(
      added_.wait_for(lock, std::chrono::seconds(10), [&] { return batches_.size() >= n; }));
  return batches_;
}

void MetaStoreConformance::SetUp() {
  harness_ = GetParam().make();
  Reopen();
}

void MetaStoreConformance::Reopen() {
  store_.reset();
  Result<std::unique_ptr<MetaStore>> opened = harness_->Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  store_ = std::move(*opened);
}

int64_t MetaStoreConformance::Commit(std::vector<MetaOp> ops) {
  const Result<int64_t> revision = store_->Commit(context_, {{}, std::move(ops)});
  EXPECT_TRUE(revision.ok()) << revision.status();
  return revision.ok() ? *revision : 0;
}

Status MetaStoreConformance::TryCommit(std::vector<MetaCompare> compares, std::vector<MetaOp> ops) {
  return store_->Commit(context_, {std::move(compares), std::move(ops)}).status();
}

std::optional<MetaEntry> MetaStoreConformance::Get(const std::string& key) {
  Result<std::optional<MetaEntry>> entry = store_->Get(context_, key);
  EXPECT_TRUE(entry.ok()) << entry.status();
  return entry.ok() ? *entry : std::nullopt;
}

std::string MetaStoreConformance::Value(const std::string& key) {
  const std::optional<MetaEntry> entry = Get(key);
  return entry ? entry->value : "(none)";
}

bool MetaStoreConformance::IsGoneSoon(const std::string& key) {
  for (int i = 0; i < 100; ++i) {
    if (!Get(key)) return true;
    harness_->PassTime(milliseconds(100));
  }
  return false;
}

LeaseId MetaStoreConformance::Grant(milliseconds ttl) {
  const Result<LeaseId> lease = store_->GrantLease(context_, ttl);
  EXPECT_TRUE(lease.ok()) << lease.status();
  return lease.ok() ? *lease : 0;
}

// ---- entries and transactions

TEST_P(MetaStoreConformance, EntriesKnowTheirRevisions) {
  EXPECT_FALSE(Get("key"));
  const int64_t created = Commit({MetaOp::Put("key", "one")});
  const int64_t changed = Commit({MetaOp::Put("key", "two")});
  EXPECT_GT(created, 0);
  EXPECT_GT(changed, created);
  const std::optional<MetaEntry> entry = Get("key");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->key, "key");
  EXPECT_EQ(entry->value, "two");
  EXPECT_EQ(entry->create_revision, created);
  EXPECT_EQ(entry->mod_revision, changed);
  Commit({MetaOp::Delete("key")});
  EXPECT_FALSE(Get("key"));
  const int64_t again = Commit({MetaOp::Put("key", "three")});
  EXPECT_EQ(Get("key")->create_revision, again);
}

TEST_P(MetaStoreConformance, SurvivesARestart) {
  const int64_t before =
      Commit({MetaOp::Put("a", "1"), MetaOp::Put("b", std::string("\0\xff", 2))});
  Reopen();
  EXPECT_EQ(Value("a"), "1");
  EXPECT_EQ(Value("b"), std::string("\0\xff", 2));
  EXPECT_EQ(Get("a")->create_revision, before);
  EXPECT_GT(Commit({MetaOp::Put("a", "2")}), before);
  Reopen();
  EXPECT_EQ(Value("a"), "2");
}

TEST_P(MetaStoreConformance, ATransactionIsAllOrNothing) {
  Commit({MetaOp::Put("a", "1")});
  EXPECT_TRUE(TryCommit({MetaCompare::Absent("a")}, {MetaOp::Put("b", "1"), MetaOp::Delete("a")})
                  .Is(StatusKind::kConflict, StatusSubject::kMeta));
  EXPECT_EQ(Value("a"), "1");
  EXPECT_EQ(Value("b"), "(none)");
  EXPECT_TRUE(
      TryCommit({MetaCompare::Equals("a", "1")}, {MetaOp::Put("b", "1"), MetaOp::Delete("a")})
          .ok());
  EXPECT_EQ(Value("a"), "(none)");
  EXPECT_EQ(Value("b"), "1");
}

TEST_P(MetaStoreConformance, Compares) {
  const int64_t created = Commit({MetaOp::Put("key", "one")});
  const int64_t changed = Commit({MetaOp::Put("key", "two")});
  const auto holds = [&](const MetaCompare& compare) {
    const Status status = TryCommit({compare}, {MetaOp::Put("touched", "x")});
    EXPECT_TRUE(status.ok() || status.Is(StatusKind::kConflict, StatusSubject::kMeta)) << status;
    if (!status.ok()) {
      EXPECT_NE(status.message().find(compare.key), std::string::npos) << status;
    }
    return status.ok();
  };
  EXPECT_TRUE(holds(MetaCompare::Created("key", created)));
  EXPECT_FALSE(holds(MetaCompare::Created("key", changed)));
  EXPECT_TRUE(holds(MetaCompare::Unchanged("key", changed)));
  EXPECT_FALSE(holds(MetaCompare::Unchanged("key", created)));
  EXPECT_TRUE(holds(MetaCompare::Equals("key", "two")));
  EXPECT_FALSE(holds(MetaCompare::Equals("key", "one")));
  EXPECT_FALSE(holds(MetaCompare::Absent("key")));
  EXPECT_TRUE(holds(MetaCompare::Absent("none")));
  EXPECT_TRUE(holds(MetaCompare::Unchanged("none", 0)));
  EXPECT_FALSE(holds(MetaCompare::Unchanged("none", 1)));
  EXPECT_FALSE(holds(MetaCompare::Equals("none", "")));
  EXPECT_TRUE(TryCommit({MetaCompare::Equals("key", "two"), MetaCompare::Absent("key")}, {})
                  .Is(StatusKind::kConflict));
}

TEST_P(MetaStoreConformance, TheLastOpOnAKeyDecides) {
  const int64_t created =
      Commit({MetaOp::Put("p/1", "old"), MetaOp::Put("p/2", "old"), MetaOp::Put("q", "old")});
  const int64_t revision =
      Commit({MetaOp::DeletePrefix("p/"), MetaOp::Put("p/1", "new"), MetaOp::Put("q", "a"),
              MetaOp::Delete("q"), MetaOp::Put("r", "a"), MetaOp::Put("r", "b")});
  EXPECT_EQ(Value("p/1"), "new");
  EXPECT_EQ(Get("p/1")->create_revision, created);
  EXPECT_EQ(Get("p/1")->mod_revision, revision);
  EXPECT_EQ(Value("p/2"), "(none)");
  EXPECT_EQ(Value("q"), "(none)");
  EXPECT_EQ(Value("r"), "b");
  Commit({MetaOp::Put("p/3", "x"), MetaOp::DeletePrefix("p/")});
  EXPECT_TRUE(RangeAll(context_, *store_, "p/")->empty());
}

TEST_P(MetaStoreConformance, ATransactionWithoutEffectGivesTheRevision) {
  const int64_t revision = Commit({MetaOp::Put("a", "1")});
  EXPECT_GE(Commit({}), revision);
  EXPECT_GE(Commit({MetaOp::Delete("none")}), revision);
}

TEST_P(MetaStoreConformance, RangesArePagedInKeyOrder) {
  std::vector<MetaOp> ops;
  for (int i = 0; i < 100; ++i)
    ops.push_back(MetaOp::Put("k/" + std::to_string(1000 + i), std::to_string(i)));
  ops.push_back(MetaOp::Put("k", "before"));
  ops.push_back(MetaOp::Put("k0", "behind"));
  ops.push_back(MetaOp::Put("k/\xff\xff", "last"));
  Commit(std::move(ops));
  for (const size_t limit : {1, 7, 100, 101, 1000}) {
    std::vector<std::string> keys;
    for (std::string after;;) {
      const Result<MetaPage> page = store_->Range(context_, "k/", after, limit);
      ASSERT_TRUE(page.ok()) << page.status();
      EXPECT_LE(page->entries.size(), limit);
      for (const MetaEntry& entry : page->entries) keys.push_back(entry.key);
      if (page->next_after.empty()) break;
      after = page->next_after;
    }
    ASSERT_EQ(keys.size(), 101U) << limit;
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
    EXPECT_EQ(keys.back(), "k/\xff\xff");
  }
  EXPECT_EQ(RangeAll(context_, *store_, "")->size(), 103U);
  EXPECT_EQ(store_->Range(context_, "k/", "k/1050", 1000)->entries.front().key, "k/1051");
  EXPECT_EQ(store_->Range(context_, "k/", "a", 1000)->entries.size(), 101U);
  EXPECT_TRUE(store_->Range(context_, "k/", "l", 1000)->entries.empty());
  EXPECT_TRUE(store_->Range(context_, "k/", "", 0).status().Is(StatusKind::kInvalidArgument));
}

TEST_P(MetaStoreConformance, BoundsAreChecked) {
  const std::string longest(1024, 'k');
  const std::string largest(size_t{1} << 20, 'v');
  EXPECT_TRUE(TryCommit({}, {MetaOp::Put(longest, largest)}).ok());
  EXPECT_EQ(Value(longest), largest);
  const auto invalid = [](const Status& status) {
    return status.Is(StatusKind::kInvalidArgument, StatusSubject::kMeta);
  };
  EXPECT_TRUE(invalid(TryCommit({}, {MetaOp::Put(longest + "k", "v")})));
  EXPECT_TRUE(invalid(TryCommit({}, {MetaOp::Put("k", largest + "v")})));
  EXPECT_TRUE(invalid(TryCommit({}, {MetaOp::Put("", "v")})));
  EXPECT_TRUE(invalid(TryCommit({}, {MetaOp::DeletePrefix("")})));
  EXPECT_TRUE(invalid(TryCommit({MetaCompare::Absent("")}, {})));
  EXPECT_TRUE(invalid(store_->Get(context_, "").status()));
  std::vector<MetaOp> many(129, MetaOp::Delete("k"));
  for (size_t i = 0; i < many.size(); ++i) many[i].key += std::to_string(i);
  EXPECT_TRUE(invalid(TryCommit({}, many)));
  many.pop_back();
  EXPECT_TRUE(TryCommit({}, many).ok());
}

TEST_P(MetaStoreConformance, TransactionsHaveALimitInAll) {
  MetaTxn txn;
  for (int i = 0; i < 128; ++i) {
    txn.ops.push_back(MetaOp::Put("k" + std::to_string(1000 + i), std::string(10'000, 'v')));
  }
  EXPECT_TRUE(store_->Commit(context_, txn).ok());
  txn.ops.front().value.append(100'000, 'v');
  EXPECT_TRUE(store_->Commit(context_, txn).status().Is(StatusKind::kInvalidArgument));
  txn.ops.clear();
  txn.compares.assign(65, MetaCompare::Absent("none"));
  EXPECT_TRUE(store_->Commit(context_, txn).status().Is(StatusKind::kInvalidArgument));
  txn.compares.pop_back();
  EXPECT_TRUE(store_->Commit(context_, txn).ok());
}

TEST_P(MetaStoreConformance, PagesGoOnAcrossChangesAndARestart) {
  std::vector<MetaOp> ops;
  for (int i = 0; i < 30; ++i) ops.push_back(MetaOp::Put("k/" + std::to_string(10 + i), "x"));
  Commit(std::move(ops));
  const Result<MetaPage> first = store_->Range(context_, "k/", "", 10);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_FALSE(first->next_after.empty());
  // The key where it goes on, one before and one behind.
  Commit({MetaOp::Delete(first->next_after), MetaOp::Delete("k/10"), MetaOp::Delete("k/39")});
  Reopen();
  Commit({MetaOp::Put("k/38x", "new")});
  std::vector<std::string> keys;
  for (std::string after = first->next_after; !after.empty();) {
    const Result<MetaPage> page = store_->Range(context_, "k/", after, 7);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const MetaEntry& entry : page->entries) keys.push_back(entry.key);
    after = page->next_after;
  }
  EXPECT_EQ(keys.size(), 30 - first->entries.size());  // one gone, one new
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_GT(keys.front(), first->entries.back().key);
  EXPECT_EQ(keys.back(), "k/38x");
}

TEST_P(MetaStoreConformance, LargeRangesComeWhole) {
  const std::string value(size_t{1} << 20, 'v');
  for (int i = 0; i < 20; ++i) Commit({MetaOp::Put("big/" + std::to_string(10 + i), value)});
  const Result<std::vector<MetaEntry>> all = RangeAll(context_, *store_, "big/");
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 20U);
}

TEST_P(MetaStoreConformance, ConcurrentIncrementsAllCount) {
  Commit({MetaOp::Put("counter", "0")});
  constexpr int kThreads = 4;
  constexpr int kIncrements = 25;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int done = 0; done < kIncrements;) {
        const Result<std::optional<MetaEntry>> entry = store_->Get(context_, "counter");
        ASSERT_TRUE(entry.ok()) << entry.status();
        const std::string next = std::to_string(std::stoi((*entry)->value) + 1);
        const Result<int64_t> committed =
            store_->Commit(context_, {{MetaCompare::Unchanged("counter", (*entry)->mod_revision)},
                                      {MetaOp::Put("counter", next)}});
        if (committed.ok()) {
          ++done;
        } else {
          ASSERT_TRUE(committed.status().Is(StatusKind::kConflict)) << committed.status();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Value("counter"), std::to_string(kThreads * kIncrements));
}

TEST_P(MetaStoreConformance, ACancelledCommitDoesNothing) {
  const Context context = Context::Cancellable();
  context.Cancel();
  EXPECT_TRUE(
      store_->Commit(context, {{}, {MetaOp::Put("a", "1")}}).status().Is(StatusKind::kCancelled));
  EXPECT_FALSE(Get("a"));
}

// ---- leases and elections

TEST_P(MetaStoreConformance, KeysEndWithTheirLease) {
  // On a real clock a machine with too much to do may sleep for longer than it was asked to.
  const auto begin = std::chrono::steady_clock::now();
  const LeaseId lease = Grant(milliseconds(2000));
  Commit({MetaOp::Put("leased", "x", lease), MetaOp::Put("free", "x")});
  harness_->PassTime(milliseconds(1200));
  const bool kept = store_->KeepAlive(context_, lease).ok();
  harness_->PassTime(milliseconds(1200));
  const std::string value = Value("leased");
  if (std::chrono::steady_clock::now() - begin < milliseconds(3000)) {
    EXPECT_TRUE(kept);
    EXPECT_EQ(value, "x");
  }
  harness_->PassTime(milliseconds(2500));
  EXPECT_TRUE(IsGoneSoon("leased"));
  EXPECT_EQ(Value("free"), "x");
  EXPECT_TRUE(store_->KeepAlive(context_, lease).Is(StatusKind::kNotFound, StatusSubject::kMeta));
  EXPECT_TRUE(TryCommit({}, {MetaOp::Put("a", "x", lease)})
                  .Is(StatusKind::kNotFound, StatusSubject::kMeta));
  EXPECT_FALSE(Get("a"));
}

TEST_P(MetaStoreConformance, RevokingEndsALeaseAtOnce) {
  const LeaseId lease = Grant(std::chrono::minutes(1));
  const LeaseId other = Grant(std::chrono::minutes(1));
  EXPECT_NE(lease, other);
  const int64_t before = Commit(
      {MetaOp::Put("a", "x", lease), MetaOp::Put("b", "x", lease), MetaOp::Put("c", "x", other)});
  ASSERT_TRUE(store_->RevokeLease(context_, lease).ok());
  EXPECT_EQ(Value("a"), "(none)");
  EXPECT_EQ(Value("b"), "(none)");
  EXPECT_EQ(Value("c"), "x");
  EXPECT_GT(Commit({MetaOp::Put("d", "x")}), before + 1);  // the deletion was a transaction
  EXPECT_TRUE(store_->RevokeLease(context_, lease).Is(StatusKind::kNotFound));
  EXPECT_TRUE(store_->KeepAlive(context_, other).ok());
}

TEST_P(MetaStoreConformance, APutDecidesTheLease) {
  const LeaseId lease = Grant(std::chrono::minutes(1));
  Commit({MetaOp::Put("a", "x", lease), MetaOp::Put("b", "x", lease), MetaOp::Put("c", "x")});
  Commit({MetaOp::Put("a", "y"), MetaOp::Delete("b"), MetaOp::Put("c", "y", lease)});
  Commit({MetaOp::Put("b", "y")});
  ASSERT_TRUE(store_->RevokeLease(context_, lease).ok());
  EXPECT_EQ(Value("a"), "y");
  EXPECT_EQ(Value("b"), "y");
  EXPECT_EQ(Value("c"), "(none)");
}

TEST_P(MetaStoreConformance, LeasesHaveATime) {
  EXPECT_TRUE(
      store_->GrantLease(context_, milliseconds(0)).status().Is(StatusKind::kInvalidArgument));
  EXPECT_TRUE(
      store_->GrantLease(context_, milliseconds(-1)).status().Is(StatusKind::kInvalidArgument));
}

TEST_P(MetaStoreConformance, OneCandidateWins) {
  const LeaseId first = Grant(std::chrono::minutes(1));
  const LeaseId second = Grant(std::chrono::minutes(1));
  const Result<int64_t> epoch = Campaign(context_, *store_, "leader", "node-1", first);
  ASSERT_TRUE(epoch.ok()) << epoch.status();
  EXPECT_EQ(Get("leader")->create_revision, *epoch);
  const Status lost = Campaign(context_, *store_, "leader", "node-2", second).status();
  EXPECT_TRUE(lost.Is(StatusKind::kConflict, StatusSubject::kMeta));
  EXPECT_NE(lost.message().find("node-1"), std::string::npos) << lost;
  ASSERT_TRUE(store_->RevokeLease(context_, first).ok());
  const Result<int64_t> next = Campaign(context_, *store_, "leader", "node-2", second);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_GT(*next, *epoch);
  // What the old leader still sends is refused.
  EXPECT_TRUE(TryCommit({MetaCompare::Created("leader", *epoch)}, {MetaOp::Put("a", "old")})
                  .Is(StatusKind::kConflict));
  EXPECT_TRUE(TryCommit({MetaCompare::Created("leader", *next)}, {MetaOp::Put("a", "new")}).ok());
}

// ---- watches

TEST_P(MetaStoreConformance, WatchesTellInOrder) {
  EventLog log;
  auto watch =
      *store_->Watch("w/", 0, [&](const std::vector<MetaEvent>& events) { log.Add(events); });
  const int64_t first =
      Commit({MetaOp::Put("w/a", "1"), MetaOp::Put("x/a", "1"), MetaOp::Put("w/b", "2")});
  Commit({MetaOp::Put("x/a", "2")});
  const int64_t second = Commit({MetaOp::Delete("w/a"), MetaOp::Put("w/c", "3")});
  const auto batches = log.WaitFor(2);
  ASSERT_EQ(batches.size(), 2U);
  ASSERT_EQ(batches[0].size(), 2U);  // of one transaction together
  EXPECT_EQ(batches[0][0].entry.key, "w/a");
  EXPECT_EQ(batches[0][0].entry.value, "1");
  EXPECT_EQ(batches[0][0].entry.create_revision, first);
  EXPECT_EQ(batches[0][1].entry.key, "w/b");
  ASSERT_EQ(batches[1].size(), 2U);
  EXPECT_EQ(batches[1][0].kind, MetaEvent::Kind::kDelete);
  EXPECT_EQ(batches[1][0].entry.key, "w/a");
  EXPECT_EQ(batches[1][0].entry.mod_revision, second);
  EXPECT_EQ(batches[1][1].kind, MetaEvent::Kind::kPut);
}

TEST_P(MetaStoreConformance, AWatchCanBeginInThePast) {
  const int64_t first = Commit({MetaOp::Put("w/a", "1")});
  Commit({MetaOp::Put("w/b", "2")});
  Commit({MetaOp::Put("w/c", "3")});
  EventLog log;
  auto watch =
      *store_->Watch("w/", first, [&](const std::vector<MetaEvent>& events) { log.Add(events); });
  Commit({MetaOp::Put("w/d", "4")});
  const auto batches = log.WaitFor(3);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[0][0].entry.key, "w/b");
  EXPECT_EQ(batches[2][0].entry.key, "w/d");
}

TEST_P(MetaStoreConformance, AWatchSeesTheEndOfALease) {
  EventLog log;
  auto watch =
      *store_->Watch("w/", 0, [&](const std::vector<MetaEvent>& events) { log.Add(events); });
  const LeaseId lease = Grant(milliseconds(2000));
  Commit({MetaOp::Put("w/a", "1", lease)});
  harness_->PassTime(milliseconds(2500));
  EXPECT_TRUE(IsGoneSoon("w/a"));
  const auto batches = log.WaitFor(2);
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(batches[1][0].kind, MetaEvent::Kind::kDelete);
}

TEST_P(MetaStoreConformance, NoCallbackAfterTheWatchEnded) {
  std::atomic<int> calls{0};
  auto watch = *store_->Watch("w/", 0, [&](const std::vector<MetaEvent>&) {
    ++calls;
    std::this_thread::sleep_for(milliseconds(2));
  });
  for (int i = 0; i < 20; ++i) Commit({MetaOp::Put("w/a", std::to_string(i))});
  watch.reset();
  const int calls_at_end = calls;
  for (int i = 0; i < 5; ++i) Commit({MetaOp::Put("w/a", std::to_string(i))});
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(calls, calls_at_end);
}

TEST_P(MetaStoreConformance, ACallbackMayUseTheStoreAndEndItsWatch) {
  std::unique_ptr<MetaWatch> watch;
  std::mutex mutex;
  EventLog log;
  {
    const std::lock_guard lock(mutex);
    watch = *store_->Watch("w/", 0, [&](const std::vector<MetaEvent>& events) {
      const std::lock_guard inside(mutex);
      EXPECT_EQ(Value("w/a"), "1");
      watch.reset();
      log.Add(events);
    });
  }
  Commit({MetaOp::Put("w/a", "1")});
  EXPECT_EQ(log.WaitFor(1).size(), 1U);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(watch, nullptr);
}

TEST_P(MetaStoreConformance, LostHistoryIsSaid) {
  const int64_t first = Commit({MetaOp::Put("a", "1")});
  Commit({MetaOp::Put("a", "2")});
  Reopen();
  // A store may remember across a restart; if not, it must not pretend.
  EventLog log;
  auto watch =
      store_->Watch("a", first, [&](const std::vector<MetaEvent>& events) { log.Add(events); });
  if (watch.ok()) {
    EXPECT_EQ(log.WaitFor(1)[0][0].entry.value, "2");
  } else {
    EXPECT_TRUE(watch.status().Is(StatusKind::kExhausted, StatusSubject::kMeta)) << watch.status();
  }
}

}  // namespace kite::store
