// The index file: header, sections, checksums. The bytes are written down in docs/formats/index.md.
//
// A writer streams: everything the header says is known before the first byte. A reader trusts
// nothing: what it hands out lies inside the file, is aligned, and has the size that was asked for;
// the content of a section is bounded by whoever uses it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "kite/engine/index.h"
#include "search/array.h"

namespace kite::engine {

/// Persisted: never renumber.
enum class SectionId : uint32_t {
  kInverseNorms = 1,    ///< float32[count], COSINE only
  kElementOffsets = 2,  ///< uint32[rows + 1], lists of vectors; reserved
  kGraphMeta = 16,      ///< uint32[2 + levels]
  kGraphLinks = 17,     ///< uint32[count * 2M]
  kGraphUpperNodes = 18,
  kGraphUpperDown = 19,
  kGraphUpperLinks = 20,
  kGraphCodes = 21,      ///< int8[count * dim]
  kGraphCodeTerms = 22,  ///< float32[count * 3]: scale, square, mean_dot
  kGraphCodeMean = 23,   ///< float32[dim]
  kGraphProjection = 24,       ///< int8[dims * dim]
  kGraphProjectionScale = 25,  ///< float32[dims]
  kGraphNeighborCodes = 26,    ///< uint8[count * groups * bytes of a group]
  kGraphNeighborUnits = 27,    ///< float32[2]
  kGraphBitCodes = 28,         ///< uint8[count * bytes of a record + 8]
  kGraphBitUnits = 29,         ///< float32[2]
  kIvfCentroids = 32,  ///< float32[lists * dim]
  kIvfOffsets = 33,    ///< uint32[lists + 1]
  kIvfIds = 34,        ///< uint32[count]
  // 35 and 36 were the codes of IVF_SQ8 in files that no release wrote.
  kIvfMean = 37,            ///< float32[dim]
  kIvfCentroidBlocks = 38,  ///< blocks of codes of the centroids
  kIvfBlocks = 39,          ///< blocks of codes, by list
  kIvfByteCodes = 40,       ///< int8[count * padded dim]
  kIvfByteFactors = 41,     ///< float32[count * 4]
  kIvfCodebooks = 42,       ///< float32[dim * entries]
  kIvfCodeLength = 43,      ///< float32[1]
  kBinaryCentroids = 44,    ///< uint8[lists * bytes of a vector]
  kMinHashStarts = 45,      ///< uint32[bands * (buckets + 1)]
  kMinHashHashes = 46,      ///< uint32[bands * count]
  kMinHashIds = 47,         ///< uint32[bands * count]
  kDiskCodebooks = 48,      ///< float32[padded dim * 256]
  kDiskCodes = 49,          ///< uint8[count * parts]
  kDiskCodeError = 50,      ///< float32[1]
  kDiskNodes = 51,          ///< pages of nodes
  kSparseBounds = 64,  ///< uint64[3 * (parts + 1)]
  kSparseTerms = 65,   ///< uint32[terms]
  kSparseSteps = 66,   ///< float32[terms]
  kSparseBegins = 67,  ///< uint32[terms]
  kSparseCounts = 68,  ///< uint32[terms]
  kSparseRanked = 69,  ///< uint8[3 * terms]
  kSparseRows = 70,    ///< uint16[postings]
  kSparseCodes = 71,   ///< uint8[postings]
  kSparseColumns = 72,
  kSparseMaxima = 73,
  kSparseLengths = 74,  ///< float32[rows], BM25 only
  // Codes that an index is searched by; 4 more: those that hits are ranked again by.
  kCodeRows = 80,    ///< uint8[count * bytes of a code]
  kCodeTerms = 81,   ///< float32[count], not for IP
  kCodeTables = 82,  ///< float32: ranges or codebooks
};

struct IndexFileHeader {
  BuildSpec spec;
  VectorType type = VectorType::kFloat32;
  uint32_t dim = 0;
  uint64_t count = 0;
  uint64_t rows = 0;
};

class IndexFileWriter {
 public:
  explicit IndexFileWriter(IndexFileHeader header) : header_(std::move(header)) {}

  /// The memory must live until Write() returns. An empty section is left out.
  template <typename T>
  void Add(SectionId id, std::span<const T> values) {
    if (values.empty()) return;
    sections_.push_back({id,
                         {reinterpret_cast<const char*>(values.data()), values.size_bytes()},
                         values.size_bytes()});
  }
  /// Hands bytes in order to its argument.
  using Produce = std::function<Status(const std::function<Status(std::string_view)>&)>;
  /// A section of `size` bytes that are made while they are written.
  void AddMade(SectionId id, uint64_t size, Produce produce) {
    if (size > 0) sections_.push_back({id, {}, size, std::move(produce)});
  }
  /// The same, beginning at a multiple of 4096.
  void AddPages(SectionId id, uint64_t size, Produce produce) {
    if (size > 0) sections_.push_back({id, {}, size, std::move(produce), true});
  }
  Status Write(const std::function<Status(std::string_view)>& write) const;

 private:
  struct Section {
    SectionId id;
    std::string_view bytes;
    uint64_t size;
    Produce produce = {};  ///< in place of bytes
    bool in_pages = false;
  };
  [[nodiscard]] std::string EncodeHeader(std::vector<uint64_t>& offsets) const;

  IndexFileHeader header_;
  std::vector<Section> sections_;
};

class IndexFileReader {
 public:
  /// Corruption(Index) when header or section table do not verify, FailedPrecondition(Index) for a
  /// file of a newer version. `file` is 8-byte aligned and outlives the reader.
  static Result<IndexFileReader> Open(std::string_view file);

  [[nodiscard]] const IndexFileHeader& header() const { return header_; }

  /// The section as exactly n values, borrowed (kMap) or copied (kResident). Corruption when it is
  /// absent or has another size.
  template <typename T>
  Result<Array<T>> Read(SectionId id, uint64_t n, LoadMode mode) const {
    KITE_ASSIGN_OR_RETURN(const std::string_view bytes, Find(id, n, sizeof(T)));
    const std::span<const T> values(reinterpret_cast<const T*>(bytes.data()),
                                    bytes.size() / sizeof(T));
    if (mode == LoadMode::kMap) return Array<T>::Borrow(values);
    return Array<T>::Copy(values);
  }
  /// The size of a section in bytes, 0 when it is absent.
  [[nodiscard]] uint64_t Size(SectionId id) const;
  /// Where a section begins in the file, 0 when it is absent.
  [[nodiscard]] uint64_t Offset(SectionId id) const;

  /// Compares every block with its checksum.
  [[nodiscard]] Status VerifyBlocks() const;

 private:
  struct Section {
    SectionId id;
    uint64_t offset;
    uint64_t size;
  };
  IndexFileReader() = default;
  Status ParseHeader();
  Status ParseBody(BinaryReader& in);
  Result<std::string_view> Find(SectionId id, uint64_t n, size_t value_size) const;

  std::string_view file_;
  IndexFileHeader header_;
  std::vector<Section> sections_;
  uint64_t checksums_offset_ = 0;
};

/// Where the header's own checksum lies and what it has to be; for tests and fuzzers that change
/// headers.
void RepairHeaderChecksum(std::string& file);

}  // namespace kite::engine
