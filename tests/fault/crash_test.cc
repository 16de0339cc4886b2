// Power loss at any disk call: a whole database runs on a disk that forgets what was not synced; after every power
// cycle each acknowledged write is there and nothing else is.
//
// KITE_SEED=n replays a run, KITE_CYCLES=n sets its length (default 30). The oracle knows for every key the version that
// was acknowledged last; a write that was cut off may be there or not, but only as a whole.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "server/database.h"
#include "store/faulty/faulty_disk.h"

namespace kite {
namespace {

constexpr uint32_t kDim = 8;
constexpr int64_t kKeysPerWriter = 300;
constexpr int kWriters = 2;
const model::CollectionName kName{"", "oracle"};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// The vector of a row follows from its key and version, so that it can be checked bit by bit.
std::vector<float> VectorOf(int64_t key, int64_t version) {
  std::mt19937_64 random(static_cast<uint64_t>(key) * 1'000'003 + static_cast<uint64_t>(version));
  std::vector<float> vector(kDim);
  for (float& value : vector) value = static_cast<float>(random() % 100'000) / 1000.0F - 50.0F;
  return vector;
}

using Rows = std::map<int64_t, int64_t>;  // key -> version

/// What one writer has been told, and the one write whose outcome it was not told.
struct Oracle {
  Rows acknowledged;
  std::optional<Rows> unknown;  ///< the state if that write took place
};

model::NamedColumn Named(const std::string& name, model::Column column) {
  model::NamedColumn named;
  named.field = name;
  named.column = std::move(column);
  return named;
}

class Database {
 public:
  Database(std::shared_ptr<store::FaultyDisk> disk, bool create) {
    server::DatabaseOptions options;
    options.data_dir = "/data";
    options.disk = std::move(disk);
    options.flush_bytes = 20'000;  // small, so that flush and compaction run all the time
    options.index_rows_min = 100;
    options.warn = [](const std::string& line) { std::printf("warning: %s\n", line.c_str()); };
    auto opened = server::Database::Open(Context(), options);
    if (!opened.ok()) {
      error = opened.status();
      return;
    }
    database_ = std::move(*opened);
    roles_ = database_->roles();
    if (create) error = Create();
  }

  Status Upsert(const std::vector<int64_t>& keys, int64_t version, bool insert_only) {
    model::ColumnBuilder ids({}, model::DataType::kInt64, model::DataType::kNone, 0, false);
    model::ColumnBuilder versions({}, model::DataType::kInt64, model::DataType::kNone, 0, false);
    model::ColumnBuilder vectors({}, model::DataType::kFloatVector, model::DataType::kNone, kDim, false);
    for (const int64_t key : keys) {
      ids.AppendFixed(key);
      versions.AppendFixed(version);
      const std::vector<float> vector = VectorOf(key, version);
      vectors.AppendBytes({reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)});
    }
    model::InsertRequest request;
    request.name = kName;
    request.rows = keys.size();
    request.upsert = !insert_only;
    request.columns = {Named("id", ids.Finish()), Named("version", versions.Finish()), Named("vec", vectors.Finish())};
    return roles_.proxy->Insert(Context(), request).status();
  }

  Status Delete(int64_t from, int64_t to) {
    model::DeleteRequest request;
    request.name = kName;
    request.filter = "id >= " + std::to_string(from) + " and id < " + std::to_string(to);
    return roles_.proxy->Delete(Context(), request).status();
  }

  Status Flush() { return roles_.data_coord->Flush(Context(), kName).status(); }
  Status Compact() { return roles_.data_coord->Compact(Context(), kName).status(); }

  Result<Rows> Read() {
    while (*roles_.query_coord->GetLoadState(Context(), kName, {}) == roles::LoadState::kLoading) {
      std::this_thread::yield();
    }
    model::QueryRequest request;
    request.name = kName;
    request.filter = "id >= 0";
    request.output_fields = {"id", "version", "vec"};
    KITE_ASSIGN_OR_RETURN(const model::QueryResult result, roles_.proxy->Query(Context(), request));
    Rows rows;
    for (size_t i = 0; i < result.rows; ++i) {
      const int64_t key = result.columns[0].Values<int64_t>()[i];
      const int64_t version = result.columns[1].Values<int64_t>()[i];
      const std::vector<float> vector = VectorOf(key, version);
      EXPECT_EQ(std::memcmp(vector.data(), result.columns[2].Values<float>() + i * kDim, kDim * sizeof(float)), 0)
          << "the vector of row " << key << " differs";
      EXPECT_TRUE(rows.emplace(key, version).second) << "row " << key << " is there twice";
    }
    KITE_ASSIGN_OR_RETURN(const int64_t count, roles_.data_coord->CountRows(Context(), kName, ""));
    EXPECT_EQ(count, static_cast<int64_t>(rows.size()));
    return rows;
  }

  Status error;

 private:
  Status Create() {
    roles::CreateCollectionRequest request;
    request.schema.name = kName.collection;
    model::FieldSchema id;
    id.name = "id";
    id.type = model::DataType::kInt64;
    id.is_primary_key = true;
    model::FieldSchema version = id;
    version.name = "version";
    version.is_primary_key = false;
    model::FieldSchema vec;
    vec.name = "vec";
    vec.type = model::DataType::kFloatVector;
    vec.type_params["dim"] = std::to_string(kDim);
    request.schema.fields = {id, version, vec};
    KITE_RETURN_IF_ERROR(roles_.root_coord->CreateCollection(Context(), request));
    roles::CreateIndexRequest index;
    index.name = kName;
    index.field = "vec";
    index.params = {{"index_type", "HNSW"}, {"metric_type", "L2"}};
    KITE_RETURN_IF_ERROR(roles_.index_coord->CreateIndex(Context(), index));
    roles::LoadRequest load;
    load.name = kName;
    return roles_.query_coord->Load(Context(), load);
  }

  std::unique_ptr<server::Database> database_;
  roles::Roles roles_;
};

/// Random writes to the keys of one writer until one fails.
void WriteUntilFailure(Database& database, int writer, uint64_t seed, int64_t first_version, Oracle& oracle) {
  std::mt19937_64 random(seed);
  const int64_t begin = writer * kKeysPerWriter;
  for (int64_t version = first_version; version < first_version + 400; ++version) {
    Rows next = oracle.acknowledged;
    Status status;
    if (random() % 5 == 0) {
      const int64_t from = begin + static_cast<int64_t>(random() % kKeysPerWriter);
      const int64_t to = std::min(begin + kKeysPerWriter, from + static_cast<int64_t>(random() % 40));
      next.erase(next.lower_bound(from), next.lower_bound(to));
      status = database.Delete(from, to);
    } else {
      std::set<int64_t> keys;
      for (uint64_t i = 0; i < 1 + random() % 30; ++i) keys.insert(begin + static_cast<int64_t>(random() % kKeysPerWriter));
      bool fresh = true;
      for (const int64_t key : keys) {
        fresh &= !next.contains(key);
        next[key] = version;
      }
      status = database.Upsert({keys.begin(), keys.end()}, version, fresh);
    }
    if (!status.ok()) {
      oracle.unknown = std::move(next);
      return;
    }
    oracle.acknowledged = std::move(next);
  }
}

Rows Part(const Rows& rows, int writer) {
  return {rows.lower_bound(writer * kKeysPerWriter), rows.lower_bound((writer + 1) * kKeysPerWriter)};
}

uint64_t DiskCalls(const store::FaultyDisk& disk) {
  using store::DiskOp;
  uint64_t calls = 0;
  for (const DiskOp op : {DiskOp::kAppend, DiskOp::kSync, DiskOp::kCreate, DiskOp::kRename, DiskOp::kSyncDir}) {
    calls += disk.Calls(op);
  }
  return calls;
}

TEST(CrashTest, EveryAcknowledgedWriteSurvivesPowerLoss) {
  const uint64_t seed = FromEnvironment("KITE_SEED", std::random_device()());
  const uint64_t cycles = FromEnvironment("KITE_CYCLES", 30);
  std::printf("KITE_SEED=%lu KITE_CYCLES=%lu\n", seed, cycles);
  std::mt19937_64 random(seed);
  const std::shared_ptr<store::FaultyDisk> disk = store::FaultyDisk::Make();
  std::vector<Oracle> oracles(kWriters);
  uint64_t acknowledged_rows = 0;
  for (uint64_t cycle = 0; cycle < cycles; ++cycle) {
    SCOPED_TRACE("cycle " + std::to_string(cycle));
    auto owner = std::make_unique<Database>(disk, cycle == 0);
    Database& database = *owner;
    ASSERT_TRUE(database.error.ok()) << database.error;
    const Result<Rows> rows = database.Read();
    ASSERT_TRUE(rows.ok()) << rows.status();
    for (int writer = 0; writer < kWriters; ++writer) {
      Oracle& oracle = oracles[static_cast<size_t>(writer)];
      const Rows found = Part(*rows, writer);
      if (oracle.unknown && found == *oracle.unknown) {
        oracle.acknowledged = found;
      } else {
        ASSERT_EQ(found, oracle.acknowledged) << "of writer " << writer;
      }
      oracle.unknown.reset();
      acknowledged_rows += found.size();
    }

    const uint64_t cut_at = DiskCalls(*disk) + 1 + random() % 600;
    std::atomic<bool> done{false};
    std::thread power([&] {
      while (!done.load() && DiskCalls(*disk) < cut_at) std::this_thread::yield();
      disk->PowerOff();
    });
    std::thread maintenance([&, choice = random()] {
      std::mt19937_64 own(choice);
      while (!done.load()) {
        const Status status = own() % 3 == 0 ? database.Compact() : database.Flush();
        if (!status.ok()) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(own() % 10));
      }
    });
    std::vector<std::thread> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([&, writer, choice = random()] {
        WriteUntilFailure(database, writer, choice, static_cast<int64_t>(cycle) * 1000,
                          oracles[static_cast<size_t>(writer)]);
      });
    }
    for (std::thread& writer : writers) writer.join();
    done.store(true);
    power.join();
    maintenance.join();
    owner.reset();
    disk->PowerOn(random());
  }
  std::printf("%lu cycles, %lu acknowledged rows checked\n", cycles, acknowledged_rows);
}

}  // namespace
}  // namespace kite
