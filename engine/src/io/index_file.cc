#include "io/index_file.h"

#include <bit>
#include <cstring>

#include "base/coding.h"
#include "base/crc32c.h"
#include "params.h"
#include "search/vectors.h"

namespace kite::engine {
namespace {

static_assert(std::endian::native == std::endian::little,
              "index files are little-endian memory images");

constexpr char kMagic[8] = {'K', 'I', 'T', 'E', 'I', 'D', 'X', '\n'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kOldestReader = 1;
constexpr uint64_t kKnownFeatures = 0;
constexpr uint32_t kBlockSize = 64 << 10;
constexpr uint64_t kSectionAlignment = 64;
constexpr uint64_t kPageAlignment = 4096;
constexpr uint32_t kSectionsMax = 64;
constexpr uint32_t kParamsMax = 256;
constexpr uint32_t kHeaderSizeMax = 256 << 10;
constexpr size_t kHeaderSizeOffset = 32;

constexpr uint64_t AlignUp(uint64_t offset, uint64_t alignment = kSectionAlignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

constexpr uint64_t BlockCount(uint64_t bytes) { return (bytes + kBlockSize - 1) / kBlockSize; }

Status Corrupt(const std::string& what) {
  return Status::Corruption(StatusSubject::kIndex, "the index file is damaged: " + what);
}

/// Passes bytes on and checksums them block by block.
class BlockWriter {
 public:
  explicit BlockWriter(const std::function<Status(std::string_view)>& write) : write_(write) {}

  Status Append(std::string_view bytes) {
    for (std::string_view rest = bytes; !rest.empty();) {
      const size_t n = std::min<size_t>(rest.size(), kBlockSize - offset_ % kBlockSize);
      crc_ = Crc32c(crc_, rest.data(), n);
      offset_ += n;
      rest.remove_prefix(n);
      if (offset_ % kBlockSize == 0) EndBlock();
    }
    return bytes.empty() ? Status() : write_(bytes);
  }
  Status PadTo(uint64_t offset) { return Append(std::string(offset - offset_, '\0')); }

  /// The checksum table: one CRC-32C per block, then that of the table.
  Status Finish() {
    if (offset_ % kBlockSize != 0) EndBlock();
    PutFixed(table_, Crc32c(0, table_.data(), table_.size()));
    return write_(table_);
  }

 private:
  void EndBlock() {
    PutFixed(table_, crc_);
    crc_ = 0;
  }

  const std::function<Status(std::string_view)>& write_;
  uint64_t offset_ = 0;
  uint32_t crc_ = 0;
  std::string table_;
};

}  // namespace

std::string IndexFileWriter::EncodeHeader(std::vector<uint64_t>& offsets) const {
  std::string params;
  for (const auto& [name, value] : header_.spec.params) {
    PutBytes(params, name);
    PutBytes(params, value);
  }
  constexpr size_t kFixedSize = 88;
  constexpr size_t kSectionEntrySize = 24;
  const auto header_size = static_cast<uint32_t>(
      kFixedSize + params.size() + sections_.size() * kSectionEntrySize + sizeof(uint32_t));

  uint64_t end = AlignUp(header_size);
  for (const Section& section : sections_) {
    if (section.in_pages) end = AlignUp(end, kPageAlignment);
    offsets.push_back(end);
    end = AlignUp(end + section.size);
  }
  offsets.push_back(end);

  std::string out(kMagic, sizeof(kMagic));
  PutFixed(out, kVersion);
  PutFixed(out, kOldestReader);
  PutFixed(out, kKnownFeatures);
  PutFixed<uint64_t>(out, end + (BlockCount(end) + 1) * sizeof(uint32_t));
  PutFixed(out, header_size);
  PutFixed(out, kBlockSize);
  PutFixed<uint64_t>(out, end);
  PutFixed(out, TypeOf(header_.spec));
  PutFixed(out, header_.spec.metric);
  PutFixed(out, header_.type);
  PutFixed<uint8_t>(out, 0);
  PutFixed(out, header_.dim);
  PutFixed(out, header_.count);
  PutFixed(out, header_.rows);
  PutFixed(out, header_.spec.seed);
  PutFixed<uint32_t>(out, static_cast<uint32_t>(sections_.size()));
  PutFixed<uint32_t>(out, static_cast<uint32_t>(header_.spec.params.size()));
  out += params;
  for (size_t i = 0; i < sections_.size(); ++i) {
    PutFixed(out, sections_[i].id);
    PutFixed<uint32_t>(out, 0);
    PutFixed(out, offsets[i]);
    PutFixed<uint64_t>(out, sections_[i].size);
  }
  PutFixed(out, Crc32c(0, out.data(), out.size()));
  return out;
}

Status IndexFileWriter::Write(const std::function<Status(std::string_view)>& write) const {
  std::vector<uint64_t> offsets;
  const std::string header = EncodeHeader(offsets);
  BlockWriter out(write);
  KITE_RETURN_IF_ERROR(out.Append(header));
  for (size_t i = 0; i < sections_.size(); ++i) {
    KITE_RETURN_IF_ERROR(out.PadTo(offsets[i]));
    if (sections_[i].produce) {
      KITE_RETURN_IF_ERROR(
          sections_[i].produce([&out](std::string_view bytes) { return out.Append(bytes); }));
    } else {
      KITE_RETURN_IF_ERROR(out.Append(sections_[i].bytes));
    }
  }
  KITE_RETURN_IF_ERROR(out.PadTo(offsets.back()));
  return out.Finish();
}

Result<IndexFileReader> IndexFileReader::Open(std::string_view file) {
  if (reinterpret_cast<uintptr_t>(file.data()) % alignof(uint64_t) != 0) {
    return Status::InvalidArgument(StatusSubject::kIndex,
                                   "the bytes of an index file must be 8-byte aligned");
  }
  IndexFileReader reader;
  reader.file_ = file;
  KITE_RETURN_IF_ERROR(reader.ParseHeader());
  return reader;
}

Status IndexFileReader::ParseHeader() {
  BinaryReader prefix(file_);
  const std::string_view magic = prefix.Take(sizeof(kMagic));
  const auto version = prefix.Fixed<uint32_t>();
  const auto oldest_reader = prefix.Fixed<uint32_t>();
  const auto features = prefix.Fixed<uint64_t>();
  const auto file_size = prefix.Fixed<uint64_t>();
  const auto header_size = prefix.Fixed<uint32_t>();
  if (prefix.failed() || magic != std::string_view(kMagic, sizeof(kMagic))) {
    return Corrupt("it does not begin like an index file");
  }
  if (header_size > kHeaderSizeMax || header_size > file_.size() ||
      header_size < kHeaderSizeOffset + 2 * sizeof(uint32_t)) {
    return Corrupt("the header is truncated");
  }
  const std::string_view covered = file_.substr(0, header_size - sizeof(uint32_t));
  uint32_t stored = 0;
  std::memcpy(&stored, file_.data() + covered.size(), sizeof(stored));
  if (Crc32c(0, covered.data(), covered.size()) != stored) {
    return Corrupt("the header's checksum does not match");
  }
  if (version < 1 || oldest_reader > kVersion || (features & ~kKnownFeatures) != 0) {
    return Status::FailedPrecondition(StatusSubject::kIndex,
                                      "the index file has version " + std::to_string(version) +
                                          " and needs a newer program; this one reads version " +
                                          std::to_string(kVersion));
  }
  if (file_size != file_.size()) {
    return Corrupt("it has " + std::to_string(file_.size()) + " bytes instead of " +
                   std::to_string(file_size));
  }
  BinaryReader in(covered.substr(kHeaderSizeOffset + sizeof(uint32_t)));
  return ParseBody(in);
}

Status IndexFileReader::ParseBody(BinaryReader& in) {
  const auto block_size = in.Fixed<uint32_t>();
  checksums_offset_ = in.Fixed<uint64_t>();
  const auto index_type = in.Fixed<uint8_t>();
  const auto metric = in.Fixed<uint8_t>();
  const auto type = in.Fixed<uint8_t>();
  in.Fixed<uint8_t>();
  header_.dim = in.Fixed<uint32_t>();
  header_.count = in.Fixed<uint64_t>();
  header_.rows = in.Fixed<uint64_t>();
  header_.spec.seed = in.Fixed<uint64_t>();
  const auto section_count = in.Fixed<uint32_t>();
  const auto param_count = in.Fixed<uint32_t>();
  if (in.failed() || section_count > kSectionsMax || param_count > kParamsMax) {
    return Corrupt("the header makes no sense");
  }
  if (block_size != kBlockSize || checksums_offset_ > file_.size() ||
      file_.size() - checksums_offset_ != (BlockCount(checksums_offset_) + 1) * sizeof(uint32_t)) {
    return Corrupt("the checksum table has the wrong size");
  }
  header_.spec.index_type = IndexTypeName(static_cast<IndexType>(index_type));
  header_.spec.metric = static_cast<Metric>(metric);
  header_.type = static_cast<VectorType>(type);
  for (uint32_t i = 0; i < param_count; ++i) {
    const std::string_view name = in.Bytes();
    header_.spec.params.insert_or_assign(std::string(name), std::string(in.Bytes()));
  }
  for (uint32_t i = 0; i < section_count; ++i) {
    Section section{};
    section.id = in.Fixed<SectionId>();
    in.Fixed<uint32_t>();
    section.offset = in.Fixed<uint64_t>();
    section.size = in.Fixed<uint64_t>();
    if (section.offset % kSectionAlignment != 0 || section.offset > checksums_offset_ ||
        section.size > checksums_offset_ - section.offset) {
      return Corrupt("a section lies outside the file");
    }
    sections_.push_back(section);
  }
  KITE_RETURN_IF_ERROR(in.Finish(StatusSubject::kIndex, "the header of the index file"));
  const Result<BuildSpec> valid = ValidateBuild(header_.spec, header_.type, header_.dim);
  return valid.ok() ? Status() : Corrupt("its header does not verify: " + valid.status().message());
}

uint64_t IndexFileReader::Size(SectionId id) const {
  for (const Section& section : sections_) {
    if (section.id == id) return section.size;
  }
  return 0;
}

uint64_t IndexFileReader::Offset(SectionId id) const {
  for (const Section& section : sections_) {
    if (section.id == id) return section.offset;
  }
  return 0;
}

Result<std::string_view> IndexFileReader::Find(SectionId id, uint64_t n, size_t value_size) const {
  for (const Section& section : sections_) {
    if (section.id != id) continue;
    if (section.size % value_size != 0 || section.size / value_size != n) break;
    return file_.substr(section.offset, section.size);
  }
  if (n == 0) return std::string_view();
  return Corrupt("section " + std::to_string(static_cast<uint32_t>(id)) +
                 " is missing or has the wrong size");
}

Status IndexFileReader::VerifyBlocks() const {
  const std::string_view table = file_.substr(checksums_offset_);
  const size_t blocks = table.size() / sizeof(uint32_t) - 1;
  BinaryReader in(table);
  const std::string_view sums = in.Take(blocks * sizeof(uint32_t));
  if (in.Fixed<uint32_t>() != Crc32c(0, sums.data(), sums.size())) {
    return Corrupt("the checksum table does not match its own checksum");
  }
  BinaryReader stored(sums);
  for (size_t block = 0; block < blocks; ++block) {
    const uint64_t offset = block * kBlockSize;
    const size_t size = std::min<uint64_t>(kBlockSize, checksums_offset_ - offset);
    if (stored.Fixed<uint32_t>() != Crc32c(0, file_.data() + offset, size)) {
      return Corrupt("block " + std::to_string(block) + " (byte " + std::to_string(offset) +
                     ") does not match its checksum");
    }
  }
  return {};
}

void RepairHeaderChecksum(std::string& file) {
  uint32_t header_size = 0;
  if (file.size() < kHeaderSizeOffset + sizeof(header_size)) return;
  std::memcpy(&header_size, file.data() + kHeaderSizeOffset, sizeof(header_size));
  if (header_size < sizeof(uint32_t) || header_size > file.size()) return;
  const size_t covered = header_size - sizeof(uint32_t);
  const uint32_t crc = Crc32c(0, file.data(), covered);
  std::memcpy(file.data() + covered, &crc, sizeof(crc));
}

}  // namespace kite::engine
