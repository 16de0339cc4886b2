#include "segment/timestamp_file.h"

#include <algorithm>

#include "segment/file_header.h"

namespace kite::segment {
namespace {

constexpr std::string_view kMagic = "KITETIME";
constexpr size_t kRunBytes = sizeof(uint64_t) + sizeof(uint32_t);

}  // namespace

void TimestampFileBuilder::Append(model::Timestamp t) {
  ++rows_;
  if (timestamps_.empty() || timestamps_.back() != t.value()) {
    timestamps_.push_back(t.value());
    end_rows_.push_back(rows_);
    min_ = std::min(min_, t);
    max_ = std::max(max_, t);
  } else {
    end_rows_.back() = rows_;
  }
}

std::string TimestampFileBuilder::Encode() const {
  std::string out = EncodeHeader(kMagic, {.rows = rows_, .counts = {timestamps_.size()}});
  out.append(BytesOf(timestamps_.data(), timestamps_.size()));
  out.append(BytesOf(end_rows_.data(), end_rows_.size()));
  return out;
}

Result<TimestampFile> TimestampFile::Open(std::shared_ptr<const store::ObjectView> view,
                                          uint64_t rows, const std::string& key) {
  const std::string_view bytes = view->bytes();
  KITE_ASSIGN_OR_RETURN(const FileHeader header, DecodeHeader(bytes, kMagic, key));
  const uint64_t runs = header.counts[0];
  if (header.rows != rows || runs > rows || bytes.size() != sizeof(header) + runs * kRunBytes) {
    return CorruptFile(key, "has sizes that do not fit its segment");
  }
  TimestampFile file;
  const char* data = bytes.data() + sizeof(header);
  file.timestamps_ = {reinterpret_cast<const uint64_t*>(data), runs};
  file.end_rows_ = {reinterpret_cast<const uint32_t*>(data + runs * sizeof(uint64_t)), runs};
  file.view_ = std::move(view);
  uint64_t end = 0;
  for (const uint32_t end_row : file.end_rows_) {
    if (end_row <= end) return CorruptFile(key, "has runs of rows that do not rise");
    end = end_row;
  }
  if (end != rows) return CorruptFile(key, "does not cover every row");
  return file;
}

model::Timestamp TimestampFile::Of(engine::Row row) const {
  const auto run = std::upper_bound(end_rows_.begin(), end_rows_.end(), row);
  KITE_CHECK(run != end_rows_.end(), "a row's timestamp is asked of an existing row");
  return model::Timestamp(timestamps_[run - end_rows_.begin()]);
}

void TimestampFile::MarkLater(model::Timestamp t, std::span<uint64_t> bits) const {
  size_t row = 0;
  for (size_t run = 0; run < timestamps_.size(); ++run) {
    const size_t end = end_rows_[run];
    if (timestamps_[run] > t.value()) {
      for (; row < end; ++row) bits[row >> 6] |= uint64_t{1} << (row & 63);
    }
    row = end;
  }
}

}  // namespace kite::segment
