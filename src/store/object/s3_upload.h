// Uploads to S3: a small object in one request, a large one in parts that go up side by side.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/thread_pool.h"
#include "store/object/s3_client.h"
#include "store/object_store.h"

namespace kite::store {

inline constexpr uint64_t kPartBytes = uint64_t{8} << 20;

/// `only_new`: AlreadyExists(Object) when the key has an object already.
Status PutWhole(const S3Client& client, const Context& context, const std::string& key,
                std::string_view bytes, bool only_new);

/// Holds at most four parts in memory: Append waits while three are on their way.
std::unique_ptr<ObjectWriter> OpenS3Writer(std::shared_ptr<S3Client> client,
                                           std::shared_ptr<ThreadPool> pool, Context context,
                                           std::string key);

}  // namespace kite::store
