#include "segment/key_file.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "segment/checksummed_file.h"
#include "segment/file_header.h"
#include "segment/key_hash.h"

namespace kite::segment {
namespace {

constexpr std::string_view kMagic = "KITEKEYS";

// The filter is a split-block Bloom filter (Parquet's BloomFilter.md): a hash's upper half picks a
// block of eight words, its lower half sets one bit in each. 10 bits per key leave about 1 % false
// hits.
constexpr size_t kFilterBitsPerKey = 10;
constexpr size_t kBlockWords = 8;
constexpr size_t kBlockBytes = kBlockWords * sizeof(uint32_t);
constexpr std::array<uint32_t, kBlockWords> kSalts = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU,
                                                      0xa2b7289dU, 0x705495c7U, 0x2df1424bU,
                                                      0x9efc4947U, 0x5c6bfb31U};

size_t BlockOf(uint64_t hash, size_t blocks) { return ((hash >> 32) * blocks) >> 32; }

uint32_t BitOf(uint64_t hash, size_t word) {
  return 1U << ((static_cast<uint32_t>(hash) * kSalts[word]) >> 27);
}

std::vector<uint32_t> MakeFilter(const model::Column& keys) {
  const size_t blocks = std::max<size_t>(1, keys.rows * kFilterBitsPerKey / (kBlockBytes * 8));
  std::vector<uint32_t> filter(blocks * kBlockWords);
  for (size_t row = 0; row < keys.rows; ++row) {
    const uint64_t hash = KeyHash(keys, row);
    uint32_t* block = &filter[BlockOf(hash, blocks) * kBlockWords];
    for (size_t word = 0; word < kBlockWords; ++word) block[word] |= BitOf(hash, word);
  }
  return filter;
}

std::vector<engine::Row> SortRows(const model::Column& keys) {
  std::vector<engine::Row> rows(keys.rows);
  std::iota(rows.begin(), rows.end(), engine::Row{0});
  if (keys.type == model::DataType::kInt64) {
    const auto* values = keys.Values<int64_t>();
    if (std::is_sorted(values, values + keys.rows)) return rows;
    std::sort(rows.begin(), rows.end(), [&](engine::Row a, engine::Row b) {
      return values[a] != values[b] ? values[a] < values[b] : a < b;
    });
  } else {
    std::sort(rows.begin(), rows.end(), [&](engine::Row a, engine::Row b) {
      const int order = keys.Bytes(a).compare(keys.Bytes(b));
      return order != 0 ? order < 0 : a < b;
    });
  }
  return rows;
}

}  // namespace

Result<FileMeta> WriteKeys(const Context& context, store::ObjectStore& objects,
                           const std::string& key, const model::Column& keys) {
  const std::vector<uint32_t> filter = MakeFilter(keys);
  const std::vector<engine::Row> sorted = SortRows(keys);
  const bool is_text = keys.type == model::DataType::kVarChar;
  FileHeader header{.type = static_cast<uint32_t>(keys.type), .rows = keys.rows};
  header.counts = {filter.size() * sizeof(uint32_t), is_text ? keys.data.size() : 0};
  KITE_ASSIGN_OR_RETURN(auto writer, ChecksummedWriter::Open(context, objects, key));
  KITE_RETURN_IF_ERROR(writer->Append(EncodeHeader(kMagic, header)));
  KITE_RETURN_IF_ERROR(writer->Append(BytesOf(filter.data(), filter.size())));
  KITE_RETURN_IF_ERROR(writer->Append(is_text ? keys.offsets.view() : keys.data.view()));
  KITE_RETURN_IF_ERROR(writer->Append(BytesOf(sorted.data(), sorted.size())));
  if (is_text) KITE_RETURN_IF_ERROR(writer->Append(keys.data.view()));
  return writer->Finish();
}

KeyFile::KeyFile(FileMeta file, std::shared_ptr<const store::ObjectView> view, uint64_t rows,
                 model::DataType type, uint64_t filter_bytes)
    : file_(std::move(file)), view_(std::move(view)), rows_(rows), type_(type) {
  std::string_view rest = view_->bytes().substr(sizeof(FileHeader));
  const auto take = [&](size_t size) {
    const std::string_view part = rest.substr(0, size);
    rest.remove_prefix(size);
    return part;
  };
  filter_ = take(filter_bytes);
  keys_ = take((rows_ + (type_ == model::DataType::kVarChar ? 1 : 0)) * sizeof(uint64_t));
  sorted_ = {reinterpret_cast<const engine::Row*>(take(rows_ * sizeof(engine::Row)).data()), rows_};
  texts_ = rest;
}

Result<std::unique_ptr<const KeyFile>> KeyFile::Open(const Context& context,
                                                     store::ObjectStore& objects,
                                                     const FileMeta& file, uint64_t rows,
                                                     model::DataType type) {
  KITE_ASSIGN_OR_RETURN(auto view, MapUnverified(context, objects, file));
  const std::string_view bytes = view->bytes();
  KITE_ASSIGN_OR_RETURN(const FileHeader header, DecodeHeader(bytes, kMagic, file.key));
  const auto [filter_bytes, text_bytes, unused_1, unused_2] = header.counts;
  const bool is_text = type == model::DataType::kVarChar;
  const bool is_sane = header.rows == rows && header.type == static_cast<uint32_t>(type) &&
                       filter_bytes > 0 && filter_bytes % kBlockBytes == 0 &&
                       filter_bytes <= bytes.size() && text_bytes <= bytes.size() &&
                       (is_text || text_bytes == 0);
  const uint64_t fixed_bytes =
      sizeof(header) + (rows + (is_text ? 1 : 0)) * sizeof(uint64_t) + rows * sizeof(engine::Row);
  if (!is_sane || bytes.size() != fixed_bytes + filter_bytes + text_bytes) {
    return CorruptFile(file.key, "has sizes or a type that do not fit its segment");
  }
  return std::unique_ptr<const KeyFile>(
      new KeyFile(file, std::move(view), rows, type, filter_bytes));
}

Status KeyFile::Verify() const {
  if (file_.size <= kVerifyOnMapBytes) KITE_RETURN_IF_ERROR(VerifyBytes(view_->bytes(), file_));
  if (type_ != model::DataType::kVarChar) return {};
  const auto* offsets = reinterpret_cast<const uint64_t*>(keys_.data());
  if (offsets[0] != 0 || offsets[rows_] != texts_.size() ||
      !std::is_sorted(offsets, offsets + rows_ + 1)) {
    return CorruptFile(file_.key, "has keys that are not where its offsets say");
  }
  return {};
}

Status KeyFile::VerifyOnce() const {
  std::call_once(once_, [this] { verified_ = Verify(); });
  return verified_;
}

bool KeyFile::MayContain(uint64_t hash) const {
  const auto* words = reinterpret_cast<const uint32_t*>(filter_.data());
  const uint32_t* block = words + BlockOf(hash, filter_.size() / kBlockBytes) * kBlockWords;
  for (size_t word = 0; word < kBlockWords; ++word) {
    if ((block[word] & BitOf(hash, word)) == 0) return false;
  }
  return true;
}

std::string_view KeyFile::Text(engine::Row row) const {
  const auto* offsets = reinterpret_cast<const uint64_t*>(keys_.data());
  return texts_.substr(offsets[row], offsets[row + 1] - offsets[row]);
}

Result<model::Column> KeyFile::Column(model::FieldId field) const {
  KITE_RETURN_IF_ERROR(VerifyOnce());
  model::Column column;
  column.field = field;
  column.type = type_;
  column.rows = rows_;
  if (type_ == model::DataType::kInt64) {
    column.data = model::Buffer::Borrow(keys_, view_);
  } else {
    column.offsets = model::Buffer::Borrow(keys_, view_);
    column.data = model::Buffer::Borrow(texts_, view_);
  }
  return column;
}

/// Binary search in the sorted rows. Their numbers come from the file, so each is checked before it
/// is used.
template <typename Key, typename KeyOf>
Status KeyFile::FindOne(const Key& key, const KeyOf& key_of, uint32_t position,
                        std::vector<std::pair<uint32_t, engine::Row>>& found) const {
  bool bad = false;
  const auto at = [&](size_t index) -> Key {
    const engine::Row row = sorted_[index];
    if (row < rows_) return key_of(row);
    bad = true;
    return {};
  };
  size_t first = 0;
  for (size_t count = rows_; count > 0;) {
    const size_t half = count / 2;
    if (at(first + half) < key) {
      first += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  for (; first < rows_ && at(first) == key && !bad; ++first)
    found.emplace_back(position, sorted_[first]);
  return bad ? CorruptFile(file_.key, "names a row that the segment does not have") : Status();
}

Result<std::vector<std::pair<uint32_t, engine::Row>>> KeyFile::Find(
    const model::Column& keys) const {
  if (keys.type != type_) {
    return Status::InvalidArgument(StatusSubject::kField,
                                   "keys are looked up by another type than the primary key's");
  }
  KITE_RETURN_IF_ERROR(VerifyOnce());
  std::vector<std::pair<uint32_t, engine::Row>> found;
  const auto* numbers = reinterpret_cast<const int64_t*>(keys_.data());
  for (uint32_t i = 0; i < keys.rows; ++i) {
    if (!MayContain(KeyHash(keys, i))) continue;
    if (type_ == model::DataType::kInt64) {
      KITE_RETURN_IF_ERROR(FindOne<int64_t>(
          keys.Values<int64_t>()[i], [&](engine::Row row) { return numbers[row]; }, i, found));
    } else {
      KITE_RETURN_IF_ERROR(FindOne<std::string_view>(
          keys.Bytes(i), [&](engine::Row row) { return Text(row); }, i, found));
    }
  }
  return found;
}

}  // namespace kite::segment
