// Loads arbitrary bytes as an index file and searches what loads. The first byte picks the search;
// with kEditsBit it says that the rest are edits of a file made here.
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "diskann/diskann_index.h"
#include "io/index_file.h"
#include "kite/engine/index.h"

namespace {

using namespace kite;          // NOLINT(google-build-using-namespace)
using namespace kite::engine;  // NOLINT(google-build-using-namespace)

/// Vectors that fit the header, as long as it is modest: the segment would know the true ones.
struct Segment {
  std::vector<float> words;
  std::vector<SparseEntry> entries;
  std::vector<uint64_t> offsets;
  VectorSource source;
};

constexpr uint64_t kValuesMax = 1 << 16;
constexpr uint8_t kEditsBit = 0x80;

/// Small numbers where the vectors are float32, any bits where they are of another type.
std::vector<float> MakeWords(size_t bytes) {
  std::vector<float> words(bytes / sizeof(float) + 1);
  for (size_t i = 0; i < words.size(); ++i) words[i] = static_cast<float>(i * 7919 % 101) - 50;
  return words;
}

/// Rows of three entries, as the seeds in the corpus have them.
bool MakeSparseSegment(const IndexFileHeader& header, Segment& segment) {
  if (header.count > kValuesMax || header.rows != header.count) return false;
  segment.offsets = {0};
  for (uint32_t row = 0; row < header.count; ++row) {
    for (const uint32_t index : {row % 3, 10 + row % 11, 100 + row % 40}) {
      segment.entries.push_back({index, 1.0F + static_cast<float>(row % 5)});
    }
    segment.offsets.push_back(segment.entries.size());
  }
  segment.source = {.type = header.type,
                    .dim = header.dim,
                    .count = header.count,
                    .rows = header.rows,
                    .data = reinterpret_cast<const std::byte*>(segment.entries.data()),
                    .entry_offsets = segment.offsets};
  return true;
}

bool MakeSegment(const IndexFileHeader& header, Segment& segment) {
  if (header.type == VectorType::kSparse) return MakeSparseSegment(header, segment);
  if (header.count > kValuesMax || header.dim > kValuesMax ||
      header.count * header.dim > kValuesMax || header.rows != header.count) {
    return false;
  }
  segment.words = MakeWords(header.count * VectorBytes(header.type, header.dim));
  segment.source = {.type = header.type,
                    .dim = header.dim,
                    .count = header.count,
                    .rows = header.rows,
                    .data = reinterpret_cast<const std::byte*>(segment.words.data())};
  return true;
}

/// Links that changed must come through the checksums of their nodes.
void RepairNodes(const IndexFileReader& reader, const Segment& segment, std::span<std::byte> file) {
  if (reader.header().spec.index_type != "DISKANN") return;
  const NodeLayout layout =
      DiskannIndex::LayoutOf(reader.header().spec, segment.source.type, segment.source.dim);
  RepairNodeChecksums(
      layout, static_cast<uint32_t>(segment.source.count),
      file.subspan(reader.Offset(SectionId::kDiskNodes), reader.Size(SectionId::kDiskNodes)));
}

/// HNSW with codes of neighbours beside the nodes: the smallest such file is too large for the
/// corpus.
std::string MakeNeighborCodesFile() {
  constexpr uint32_t kCount = 1000;
  constexpr uint32_t kDim = 48;
  // Few directions, or there are no such codes.
  std::mt19937 random(1);
  std::vector<float> words;
  while (words.size() < kCount * kDim) {
    float leading[4];
    for (float& value : leading) value = static_cast<float>(random() % 1000);
    for (uint32_t j = 0; j < kDim; ++j) words.push_back(leading[j % 4]);
  }
  const VectorSource source{.dim = kDim,
                            .count = kCount,
                            .rows = kCount,
                            .data = reinterpret_cast<const std::byte*>(words.data())};
  InlineExecutor executor;
  const BuildSpec spec{.index_type = "HNSW", .metric = Metric::kL2, .params = {{"M", "16"}}};
  std::string file;
  const Status saved =
      (*Build(Context(), spec, source, executor, {}))->Save([&](std::string_view bytes) {
        file.append(bytes);
        return Status();
      });
  const Result<IndexFileReader> reader = IndexFileReader::Open(file);
  if (!saved.ok() || !reader.ok() || reader->Size(SectionId::kGraphBitCodes) == 0) __builtin_trap();
  return file;
}

/// An edit is three bytes of where and one of what; the highest bit of where: in the header and the
/// sections' table.
std::string Edited(std::string file, std::span<const uint8_t> edits) {
  constexpr size_t kHead = 1024;
  for (; edits.size() >= 4; edits = edits.subspan(4)) {
    const size_t where = edits[0] | size_t{edits[1]} << 8 | (edits[2] & size_t{0x7F}) << 16;
    const bool head = (edits[2] & 0x80) != 0;
    file[where % (head ? kHead : file.size())] = static_cast<char>(edits[3]);
  }
  return file;
}

void SearchAll(const Index& index, uint8_t choice, const Segment& segment) {
  SearchParams params{.k = size_t{1} + choice % 7, .params = {{"ef", "8"}, {"nprobe", "2"}}};
  params.params["mh_search_with_jaccard"] = (choice & 1) != 0 ? "true" : "false";
  if ((choice & 0x10) != 0) params.range = Range{.radius = 0.5F};
  if ((choice & 0x20) != 0) params.group_of = [](Row row) { return row % 3; };
  const std::vector<uint64_t> words(segment.source.rows / 64 + 1, 0x5555555555555555ULL);
  Filter filter;
  if ((choice & 0x40) != 0) filter = {.out = words.data(), .out_count = segment.source.rows / 2};
  const std::vector<float> query = MakeWords(VectorBytes(segment.source.type, segment.source.dim));
  QuerySet queries{reinterpret_cast<const std::byte*>(query.data()), 1};
  constexpr SparseEntry kQuery[] = {{1, 1}, {12, 0.01F}, {17, 3}, {105, 2}, {120, 1e-6F}};
  constexpr uint64_t kOffsets[] = {0, std::size(kQuery)};
  if (segment.source.type == VectorType::kSparse) {
    queries = {reinterpret_cast<const std::byte*>(kQuery), 1, kOffsets};
  }
  Scratch scratch;
  (void)index.Search(Context(), queries, params, filter, scratch,
                     [&](size_t, std::span<const Neighbor> hits) {
                       for (const Neighbor& hit : hits) {
                         if (hit.row >= segment.source.rows) __builtin_trap();
                       }
                     });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const std::string neighbor_codes_file = MakeNeighborCodesFile();
  std::string bytes = (data[0] & kEditsBit) != 0
                          ? Edited(neighbor_codes_file, {data + 1, size - 1})
                          : std::string(reinterpret_cast<const char*>(data + 1), size - 1);
  RepairHeaderChecksum(bytes);
  std::vector<uint64_t> aligned(bytes.size() / 8 + 1);
  std::memcpy(aligned.data(), bytes.data(), bytes.size());
  const std::string_view file(reinterpret_cast<const char*>(aligned.data()), bytes.size());

  (void)VerifyIndexFile(file);
  const Result<IndexFileReader> reader = IndexFileReader::Open(file);
  Segment segment;
  if (!reader.ok() || !MakeSegment(reader->header(), segment)) return 0;
  RepairNodes(*reader, segment, {reinterpret_cast<std::byte*>(aligned.data()), bytes.size()});
  for (const LoadMode mode : {LoadMode::kMap, LoadMode::kResident}) {
    const Result<std::unique_ptr<Index>> index = Load(file, segment.source, mode);
    if (index.ok()) SearchAll(**index, data[0], segment);
  }
  return 0;
}
