// Objects with block checksums: written once through ChecksummedWriter, compared by VerifyFile or
// VerifyBytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/result.h"
#include "segment/segment_meta.h"
#include "store/object_store.h"

namespace kite::segment {

/// An ObjectWriter that also computes the FileMeta.
class ChecksummedWriter {
 public:
  static Result<std::unique_ptr<ChecksummedWriter>> Open(const Context& context,
                                                         store::ObjectStore& objects,
                                                         const std::string& key);
  Status Append(std::string_view bytes);
  /// Makes the object durable and visible.
  Result<FileMeta> Finish();
  [[nodiscard]] uint64_t size() const { return meta_.size; }

 private:
  ChecksummedWriter(std::unique_ptr<store::ObjectWriter> writer, std::string key);
  std::unique_ptr<store::ObjectWriter> writer_;
  FileMeta meta_;
  uint32_t crc_ = 0;  ///< of the block that is not full yet
};

/// Writes `bytes` as one object.
Result<FileMeta> WriteFile(const Context& context, store::ObjectStore& objects,
                           const std::string& key, std::string_view bytes);

/// Compares size and every block's checksum. Corruption(Segment) names key and block.
Status VerifyBytes(std::string_view bytes, const FileMeta& file);

/// Reads the object block by block and does what VerifyBytes does.
Status VerifyFile(const Context& context, store::ObjectStore& objects, const FileMeta& file);

/// Files up to this size are verified as a whole when they are mapped.
inline constexpr uint64_t kVerifyOnMapBytes = uint64_t{4} << 20;

/// Maps the object at an address that suits vectors (32 bytes). Its size is compared, nothing else.
Result<std::shared_ptr<const store::ObjectView>> MapUnverified(const Context& context,
                                                               store::ObjectStore& objects,
                                                               const FileMeta& file);

/// MapUnverified, and the checksums as well when the file is small.
Result<std::shared_ptr<const store::ObjectView>> MapFile(const Context& context,
                                                         store::ObjectStore& objects,
                                                         const FileMeta& file);

}  // namespace kite::segment
