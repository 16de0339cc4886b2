#include "segment/checksummed_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/crc32c.h"

namespace kite::segment {
namespace {

constexpr size_t kMapAlignment = 32;

/// For stores whose views lie anywhere in memory.
class AlignedCopy final : public store::ObjectView {
 public:
  explicit AlignedCopy(std::string_view bytes)
      : size_(bytes.size()), blocks_((size_ + kMapAlignment - 1) / kMapAlignment) {
    if (size_ > 0) std::memcpy(blocks_.data(), bytes.data(), size_);
  }
  [[nodiscard]] std::string_view bytes() const override {
    return {reinterpret_cast<const char*>(blocks_.data()), size_};
  }

 private:
  struct alignas(kMapAlignment) Block {
    std::array<char, kMapAlignment> bytes;
  };
  const size_t size_;
  std::vector<Block> blocks_;
};

Status SizeMismatch(const FileMeta& file, uint64_t size) {
  return Status::Corruption(StatusSubject::kSegment, file.key + " has " + std::to_string(size) +
                                                         " bytes, its manifest says " +
                                                         std::to_string(file.size));
}

Status VerifyBlock(std::string_view block, const FileMeta& file, size_t index) {
  if (Crc32c(0, block.data(), block.size()) == file.block_crcs[index]) return {};
  return Status::Corruption(StatusSubject::kSegment,
                            file.key + ": the checksum of block " + std::to_string(index) +
                                " (bytes from " + std::to_string(index * kChecksumBlockBytes) +
                                ") does not match");
}

Status CheckBlockCount(const FileMeta& file) {
  if (file.block_crcs.size() == BlockCount(file.size)) return {};
  return Status::Corruption(StatusSubject::kSegment,
                            file.key + " has " + std::to_string(file.block_crcs.size()) +
                                " checksums for " + std::to_string(file.size) + " bytes");
}

}  // namespace

ChecksummedWriter::ChecksummedWriter(std::unique_ptr<store::ObjectWriter> writer, std::string key)
    : writer_(std::move(writer)) {
  meta_.key = std::move(key);
}

Result<std::unique_ptr<ChecksummedWriter>> ChecksummedWriter::Open(const Context& context,
                                                                   store::ObjectStore& objects,
                                                                   const std::string& key) {
  KITE_ASSIGN_OR_RETURN(std::unique_ptr<store::ObjectWriter> writer,
                        objects.OpenWriter(context, key));
  return std::unique_ptr<ChecksummedWriter>(new ChecksummedWriter(std::move(writer), key));
}

Status ChecksummedWriter::Append(std::string_view bytes) {
  KITE_RETURN_IF_ERROR(writer_->Append(bytes));
  while (!bytes.empty()) {
    const size_t room = kChecksumBlockBytes - meta_.size % kChecksumBlockBytes;
    const std::string_view part = bytes.substr(0, room);
    crc_ = Crc32c(crc_, part.data(), part.size());
    meta_.size += part.size();
    bytes.remove_prefix(part.size());
    if (part.size() == room) meta_.block_crcs.push_back(std::exchange(crc_, 0));
  }
  return {};
}

Result<FileMeta> ChecksummedWriter::Finish() {
  if (meta_.size % kChecksumBlockBytes != 0) meta_.block_crcs.push_back(crc_);
  KITE_RETURN_IF_ERROR(writer_->Finish());
  return std::move(meta_);
}

Result<FileMeta> WriteFile(const Context& context, store::ObjectStore& objects,
                           const std::string& key, std::string_view bytes) {
  KITE_ASSIGN_OR_RETURN(auto writer, ChecksummedWriter::Open(context, objects, key));
  KITE_RETURN_IF_ERROR(writer->Append(bytes));
  return writer->Finish();
}

Status VerifyBytes(std::string_view bytes, const FileMeta& file) {
  if (bytes.size() != file.size) return SizeMismatch(file, bytes.size());
  KITE_RETURN_IF_ERROR(CheckBlockCount(file));
  for (size_t block = 0; block < file.block_crcs.size(); ++block) {
    KITE_RETURN_IF_ERROR(
        VerifyBlock(bytes.substr(block * kChecksumBlockBytes, kChecksumBlockBytes), file, block));
  }
  return {};
}

Status VerifyFile(const Context& context, store::ObjectStore& objects, const FileMeta& file) {
  KITE_ASSIGN_OR_RETURN(const store::ObjectInfo info, objects.Head(context, file.key));
  if (info.size != file.size) return SizeMismatch(file, info.size);
  KITE_RETURN_IF_ERROR(CheckBlockCount(file));
  for (size_t block = 0; block < file.block_crcs.size(); ++block) {
    KITE_RETURN_IF_ERROR(context.Check());
    const uint64_t offset = block * kChecksumBlockBytes;
    const uint64_t size = std::min<uint64_t>(kChecksumBlockBytes, file.size - offset);
    KITE_ASSIGN_OR_RETURN(const std::string bytes,
                          objects.GetRange(context, file.key, offset, size));
    KITE_RETURN_IF_ERROR(VerifyBlock(bytes, file, block));
  }
  return {};
}

Result<std::shared_ptr<const store::ObjectView>> MapUnverified(const Context& context,
                                                               store::ObjectStore& objects,
                                                               const FileMeta& file) {
  KITE_ASSIGN_OR_RETURN(std::shared_ptr<const store::ObjectView> view,
                        objects.Map(context, file.key));
  const std::string_view bytes = view->bytes();
  if (bytes.size() != file.size) return SizeMismatch(file, bytes.size());
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kMapAlignment != 0) {
    view = std::make_shared<const AlignedCopy>(bytes);
  }
  return view;
}

Result<std::shared_ptr<const store::ObjectView>> MapFile(const Context& context,
                                                         store::ObjectStore& objects,
                                                         const FileMeta& file) {
  KITE_ASSIGN_OR_RETURN(auto view, MapUnverified(context, objects, file));
  if (file.size <= kVerifyOnMapBytes) KITE_RETURN_IF_ERROR(VerifyBytes(view->bytes(), file));
  return view;
}

}  // namespace kite::segment
