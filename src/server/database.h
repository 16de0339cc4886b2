// Database: the eight roles of one standalone Kite over its three stores, wired up. No globals: a process can hold
// several.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/disk.h"
#include "base/result.h"
#include "roles/roles.h"
#include "server/stores.h"

namespace kite::server {

struct DatabaseOptions {
  std::string data_dir;                              ///< created when missing; one Database at a time
  std::shared_ptr<Disk> disk;                        ///< null: the machine's
  std::shared_ptr<const Clock> clock;                ///< null: the machine's
  size_t memory_bytes = 0;                           ///< budget of loads and builds; 0: 80 % of MachineMemory()
  size_t search_threads = 0;                         ///< 0: as many as cores
  size_t background_threads = 0;                     ///< flush, compaction, builds; 0: half the cores, at least 1
  size_t flush_bytes = size_t{120} << 20;            ///< growing rows of a channel that start a flush
  size_t growing_bytes_max = 0;                      ///< of all channels; 0: a quarter of memory_bytes
  uint64_t segment_bytes_target = uint64_t{1} << 30;
  uint64_t log_bytes_max = uint64_t{8} << 30;        ///< hard limit of the write-ahead log
  int64_t index_rows_min = 1024;                     ///< smaller segments are scanned
  ExternalStores external;                           ///< stores that are not in data_dir
  std::string description;                           ///< of this server, for others that want the same stores
  model::SchemaLimits schema;                        ///< of collections created from now on
  std::function<void(const std::string&)> warn;      ///< a line for the operator
};

/// What /metrics shows of the database's state; gathered when asked.
struct DatabaseStats {
  int64_t databases = 0;
  int64_t collections = 0;
  int64_t partitions = 0;
  int64_t loaded_collections = 0;
  int64_t sealed_segments = 0;
  int64_t growing_segments = 0;
  int64_t rows = 0;          ///< live
  int64_t stored_bytes = 0;  ///< sealed segments with their indexes
};

class Database {
 public:
  /// Opens stores and channels and replays the log. FailedPrecondition(Disk) when another process has the folder,
  /// FailedPrecondition(Node) when one has the stores; Corruption when the shared parts are damaged (a damaged
  /// collection only answers for itself). See IsStoreOutage() for failures after which it is worth to try again.
  static Result<std::unique_ptr<Database>> Open(const Context& context, const DatabaseOptions& options);
  virtual ~Database() = default;

  [[nodiscard]] virtual roles::Roles roles() = 0;
  /// True, and why, when another server has taken the stores over: this one must end.
  [[nodiscard]] virtual bool Replaced(std::string* reason) const = 0;
  /// False with the reason until everything that was loaded before the restart is loaded again, and while a store is
  /// lost.
  [[nodiscard]] virtual bool Ready(std::string* reason) const = 0;
  [[nodiscard]] virtual DatabaseStats Stats() const = 0;
  /// Refuses new writes, waits for those under way, ends background work. The destructor calls it.
  virtual void Stop() = 0;
};

/// Verifies every checksum and structure of a stopped database: log, metadata, manifests, segments, indexes, embedded or
/// on servers. Changes no byte of it. FailedPrecondition(Disk) or (Node) names a server that has it; a store that is not
/// there is an error, not a problem.
struct CheckReport {
  size_t collections = 0;
  size_t segments = 0;
  size_t files = 0;
  uint64_t bytes = 0;
  uint64_t log_records = 0;
  std::vector<std::string> problems;  ///< each names the file and what is wrong with it
  std::vector<std::string> log_tails;  ///< no damage: what a crash left behind the last record; cut by the next start
};
/// `progress` (may be empty): bytes verified so far, and of how many.
Result<CheckReport> CheckDatabase(const Context& context, const std::string& data_dir, const ExternalStores& external,
                                  const std::function<void(uint64_t, uint64_t)>& progress);

}  // namespace kite::server
