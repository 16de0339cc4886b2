// deletes_<n>.bin: the rows of a sealed segment that are deleted, and since when.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "segment/delete_set.h"
#include "segment/segment_meta.h"
#include "store/object_store.h"

namespace kite::segment {

/// Writes a delete file for a segment; returns its FileMeta.
Result<FileMeta> WriteDeletes(const Context& context, store::ObjectStore& objects,
                              const std::string& key, std::span<const DeletedRow> rows);

/// The entries of a segment of `segment_rows` rows. Checksums are compared whatever the size.
/// Corruption(Segment).
Result<std::vector<DeletedRow>> ReadDeletes(const Context& context, store::ObjectStore& objects,
                                            const FileMeta& file, uint64_t segment_rows);

}  // namespace kite::segment
