#include "store/conformance/object_store_conformance.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace kite::store {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ObjectStoreConformance);

using Names = std::vector<std::string>;

void ObjectStoreConformance::SetUp() {
  harness_ = GetParam().make();
  Reopen();
}

void ObjectStoreConformance::Reopen() {
  store_.reset();
  Result<std::unique_ptr<ObjectStore>> opened = harness_->Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  store_ = std::move(*opened);
}

void ObjectStoreConformance::Put(const std::string& key, std::string_view bytes) {
  const Status put = store_->Put(context_, key, bytes);
  ASSERT_TRUE(put.ok()) << put;
}

std::vector<std::string> ObjectStoreConformance::Keys(const std::string& prefix, size_t limit) {
  Names keys;
  for (std::string after;;) {
    const Result<ObjectPage> page = store_->List(context_, prefix, after, limit);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) return keys;
    EXPECT_LE(page->objects.size(), limit);
    for (const ObjectInfo& object : page->objects) keys.push_back(object.key);
    if (page->next_after.empty()) return keys;
    after = page->next_after;
  }
}

TEST_P(ObjectStoreConformance, WhatWasPutComesBack) {
  Put("a/b/c.bin", "hello");
  Put("empty", "");
  EXPECT_EQ(*store_->Get(context_, "a/b/c.bin"), "hello");
  EXPECT_EQ(*store_->Get(context_, "empty"), "");
  EXPECT_EQ(store_->Head(context_, "a/b/c.bin")->size, 5U);
  EXPECT_EQ((*store_->Map(context_, "a/b/c.bin"))->bytes(), "hello");
  EXPECT_EQ((*store_->Map(context_, "empty"))->bytes(), "");
  Reopen();
  EXPECT_EQ(*store_->Get(context_, "a/b/c.bin"), "hello");
}

TEST_P(ObjectStoreConformance, AMissingObjectIsNamed) {
  Put("folder/object", "x");
  for (const std::string key : {"none", "folder", "folder/none", "folder/object/below"}) {
    for (const Status& status :
         {store_->Get(context_, key).status(), store_->GetRange(context_, key, 0, 1).status(),
          store_->Map(context_, key).status(), store_->Head(context_, key).status()}) {
      EXPECT_TRUE(status.Is(StatusKind::kNotFound, StatusSubject::kObject)) << status;
      EXPECT_NE(status.message().find("'" + key + "'"), std::string::npos) << status;
    }
  }
}

TEST_P(ObjectStoreConformance, PutReplaces) {
  Put("key", "one");
  const auto view = *store_->Map(context_, "key");
  Put("key", "two and more");
  EXPECT_EQ(*store_->Get(context_, "key"), "two and more");
  EXPECT_EQ(view->bytes(), "one");
  EXPECT_EQ(Keys(""), Names{"key"});
}

TEST_P(ObjectStoreConformance, PutNewReplacesNothing) {
  ASSERT_TRUE(store_->PutNew(context_, "a/key", "first").ok());
  const Status second = store_->PutNew(context_, "a/key", "second");
  EXPECT_TRUE(second.Is(StatusKind::kAlreadyExists, StatusSubject::kObject)) << second;
  EXPECT_NE(second.message().find("'a/key'"), std::string::npos) << second;
  EXPECT_EQ(*store_->Get(context_, "a/key"), "first");
  ASSERT_TRUE(store_->Delete(context_, {"a/key"}).ok());
  EXPECT_TRUE(store_->PutNew(context_, "a/key", "third").ok());
  EXPECT_EQ(*store_->Get(context_, "a/key"), "third");
}

TEST_P(ObjectStoreConformance, OnlyOneOfManyPutsNew) {
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const Status put = store_->PutNew(context_, "one", std::to_string(t));
      if (put.ok()) ++won;
      EXPECT_TRUE(put.ok() || put.Is(StatusKind::kAlreadyExists)) << put;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
}

TEST_P(ObjectStoreConformance, RangesAreExact) {
  Put("key", "0123456789");
  EXPECT_EQ(*store_->GetRange(context_, "key", 0, 10), "0123456789");
  EXPECT_EQ(*store_->GetRange(context_, "key", 3, 4), "3456");
  EXPECT_EQ(*store_->GetRange(context_, "key", 10, 0), "");
  EXPECT_FALSE(store_->GetRange(context_, "key", 5, 6).ok());
  EXPECT_FALSE(store_->GetRange(context_, "key", 11, 1).ok());
  EXPECT_FALSE(store_->GetRange(context_, "key", UINT64_MAX, 1).ok());
  EXPECT_FALSE(store_->GetRange(context_, "key", 0, UINT64_MAX).ok());
}

TEST_P(ObjectStoreConformance, AWriterShowsNothingBeforeItsEnd) {
  auto writer = *store_->OpenWriter(context_, "big/object");
  ASSERT_TRUE(writer->Append("first ").ok());
  EXPECT_TRUE(store_->Head(context_, "big/object").status().Is(StatusKind::kNotFound));
  EXPECT_TRUE(Keys("").empty());
  ASSERT_TRUE(writer->Append("second").ok());
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(*store_->Get(context_, "big/object"), "first second");
  EXPECT_FALSE(writer->Append("third").ok());
  EXPECT_FALSE(writer->Finish().ok());
  writer.reset();
  EXPECT_EQ(*store_->Get(context_, "big/object"), "first second");
}

TEST_P(ObjectStoreConformance, AnAbandonedWriterLeavesNothing) {
  {
    auto writer = *store_->OpenWriter(context_, "gone");
    ASSERT_TRUE(writer->Append("bytes").ok());
  }
  EXPECT_TRUE(Keys("").empty());
  Reopen();
  EXPECT_TRUE(Keys("").empty());
}

TEST_P(ObjectStoreConformance, LargeObjects) {
  std::string bytes(size_t{17} << 20, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 131 + (i >> 12));
  auto writer = *store_->OpenWriter(context_, "large");
  for (size_t at = 0; at < bytes.size(); at += 1 << 20) {
    ASSERT_TRUE(writer->Append(std::string_view(bytes).substr(at, 1 << 20)).ok());
  }
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_TRUE((*store_->Map(context_, "large"))->bytes() == bytes);
  EXPECT_EQ(*store_->GetRange(context_, "large", 12'345'678, 1000), bytes.substr(12'345'678, 1000));
  EXPECT_TRUE(*store_->GetRange(context_, "large", 1, bytes.size() - 2) ==
              bytes.substr(1, bytes.size() - 2));
  EXPECT_TRUE(*store_->Get(context_, "large") == bytes);
  Put("large", std::string_view(bytes).substr(1));
  EXPECT_TRUE((*store_->Map(context_, "large"))->bytes() == std::string_view(bytes).substr(1));
}

TEST_P(ObjectStoreConformance, ALargeAbandonedWriterLeavesNothing) {
  const std::string piece(size_t{9} << 20, 'x');
  auto writer = *store_->OpenWriter(context_, "gone");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(writer->Append(piece).ok());
  writer.reset();
  EXPECT_TRUE(Keys("").empty());
  EXPECT_TRUE(store_->Head(context_, "gone").status().Is(StatusKind::kNotFound));
}

TEST_P(ObjectStoreConformance, ListingsOfManyPages) {
  constexpr int kObjects = 2500;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < kObjects; i += 4) Put("many/" + std::to_string(i), "x");
    });
  }
  for (std::thread& thread : threads) thread.join();
  Put("other", "x");
  const Names keys = Keys("many/");
  EXPECT_EQ(keys.size(), static_cast<size_t>(kObjects));
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_EQ(Keys("many/", 700), keys);
  ASSERT_TRUE(store_->Delete(context_, keys).ok());
  EXPECT_EQ(Keys(""), Names{"other"});
}

TEST_P(ObjectStoreConformance, AViewOutlivesTheStore) {
  Put("key", "bytes");
  const auto view = *store_->Map(context_, "key");
  store_.reset();
  EXPECT_EQ(view->bytes(), "bytes");
  Reopen();
}

TEST_P(ObjectStoreConformance, ADeadlineEndsACall) {
  const Context context = context_.WithDeadline(Context::Clock::now());
  EXPECT_TRUE(store_->Put(context, "key", "x").Is(StatusKind::kDeadlineExceeded));
  EXPECT_TRUE(store_->Get(context, "key").status().Is(StatusKind::kDeadlineExceeded));
  EXPECT_TRUE(Keys("").empty());
}

/// What was acknowledged before and during a restart of the server is there afterwards.
TEST_P(ObjectStoreConformance, ARestartInTheMiddleLosesNothing) {
  std::atomic<bool> stop = false;
  std::atomic<int> written = 0;
  std::thread client([&] {
    for (int i = 0; !stop; ++i) {
      Put("restart/" + std::to_string(i), std::to_string(i));
      written = i + 1;
    }
  });
  const auto wait_for = [&](int count) {
    while (written < count && !HasFailure()) std::this_thread::yield();
  };
  wait_for(20);
  if (!harness_->Restart()) {
    stop = true;
    client.join();
    GTEST_SKIP() << "nothing to restart behind this store";
  }
  wait_for(written + 20);
  stop = true;
  client.join();
  ASSERT_EQ(Keys("restart/").size(), static_cast<size_t>(written));
  for (int i = 0; i < written; ++i)
    EXPECT_EQ(*store_->Get(context_, "restart/" + std::to_string(i)), std::to_string(i));
}

TEST_P(ObjectStoreConformance, ListingsAreInKeyOrder) {
  Names keys = {"a-b", "a/b", "a/c/d", "a.b", "a0", "b/1", "b/10", "b/2", "Z"};
  for (const std::string& key : keys) Put(key, key);
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(Keys(""), keys);
  for (const size_t limit : {1, 2, 3, 8, 9}) EXPECT_EQ(Keys("", limit), keys) << limit;
  EXPECT_EQ(Keys("a"), (Names{"a-b", "a.b", "a/b", "a/c/d", "a0"}));
  EXPECT_EQ(Keys("a/"), (Names{"a/b", "a/c/d"}));
  EXPECT_EQ(Keys("b/1"), (Names{"b/1", "b/10"}));
  EXPECT_EQ(Keys("none/"), Names{});
  EXPECT_EQ(Keys("a/c/d/e"), Names{});
  const Result<ObjectPage> page = store_->List(context_, "a", "a/b", 2);
  ASSERT_EQ(page->objects.size(), 2U);
  EXPECT_EQ(page->objects[0].key, "a/c/d");
  EXPECT_EQ(page->objects[0].size, 5U);
  EXPECT_TRUE(page->next_after.empty());
}

TEST_P(ObjectStoreConformance, ListingsAreBounded) {
  EXPECT_TRUE(store_->List(context_, "", "", 0).status().Is(StatusKind::kInvalidArgument));
  EXPECT_TRUE(store_->List(context_, "", "", 1001).status().Is(StatusKind::kInvalidArgument));
  EXPECT_TRUE(store_->List(context_, "../", "", 10).status().Is(StatusKind::kInvalidArgument));
}

TEST_P(ObjectStoreConformance, DeletedObjectsAreGone) {
  Put("x/1", "1");
  Put("x/2", "2");
  const auto view = *store_->Map(context_, "x/1");
  ASSERT_TRUE(store_->Delete(context_, {"x/1", "none", "x"}).ok());
  EXPECT_EQ(Keys(""), Names{"x/2"});
  EXPECT_EQ(view->bytes(), "1");
  ASSERT_TRUE(store_->Delete(context_, {"x/2"}).ok());
  EXPECT_TRUE(Keys("").empty());
  Put("x/1", "again");
  EXPECT_EQ(*store_->Get(context_, "x/1"), "again");
}

TEST_P(ObjectStoreConformance, KeysAreChecked) {
  const Names bad = {"",
                     "/",
                     "/a",
                     "a/",
                     "a//b",
                     ".",
                     "..",
                     "a/../b",
                     "../../etc/passwd",
                     "a/.",
                     "a b",
                     "a\\b",
                     "a\nb",
                     "\xc3\xa4",
                     "a:b",
                     "a*",
                     "~",
                     std::string("a\0b", 3),
                     std::string(1025, 'a')};
  for (const std::string& key : bad) {
    EXPECT_TRUE(
        store_->Put(context_, key, "x").Is(StatusKind::kInvalidArgument, StatusSubject::kObject))
        << key;
    EXPECT_TRUE(store_->OpenWriter(context_, key).status().Is(StatusKind::kInvalidArgument)) << key;
    EXPECT_TRUE(store_->Get(context_, key).status().Is(StatusKind::kInvalidArgument)) << key;
    EXPECT_TRUE(store_->Map(context_, key).status().Is(StatusKind::kInvalidArgument)) << key;
    EXPECT_TRUE(store_->Head(context_, key).status().Is(StatusKind::kInvalidArgument)) << key;
    EXPECT_TRUE(store_->Delete(context_, {key}).Is(StatusKind::kInvalidArgument)) << key;
  }
  for (const std::string key : {"a", "..a", "a..", "...", "A-Z_0.9/x"}) {
    Put(key, "x");
    EXPECT_EQ(*store_->Get(context_, key), "x");
  }
  EXPECT_EQ(Keys("").size(), 5U);
}

TEST_P(ObjectStoreConformance, ACancelledCallDoesNothing) {
  const Context context = Context::Cancellable();
  context.Cancel();
  EXPECT_TRUE(store_->Put(context, "key", "x").Is(StatusKind::kCancelled));
  EXPECT_TRUE(store_->Get(context, "key").status().Is(StatusKind::kCancelled));
  EXPECT_TRUE(Keys("").empty());
}

TEST_P(ObjectStoreConformance, ConcurrentClients) {
  constexpr int kThreads = 4;
  constexpr int kObjects = 40;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kObjects; ++i) {
        const std::string mine = "shared/" + std::to_string(t) + "/" + std::to_string(i % 3);
        ASSERT_TRUE(store_->Put(context_, mine, std::to_string(i)).ok());
        ASSERT_TRUE(store_->Put(context_, "shared/one", std::string(1000, char('a' + t))).ok());
        const Result<std::string> one = store_->Get(context_, "shared/one");
        ASSERT_TRUE(one.ok()) << one.status();
        EXPECT_EQ(*one, std::string(1000, one->front()));  // whole, whoever wrote it
        ASSERT_TRUE(store_->Delete(context_, {mine}).ok());
        EXPECT_TRUE(store_->Get(context_, mine).status().Is(StatusKind::kNotFound));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Keys(""), Names{"shared/one"});
}

}  // namespace kite::store
