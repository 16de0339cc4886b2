#include "cli/ann/matrix_file.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <string_view>

#include "base/coding.h"
#include "base/half.h"
#include "kite/engine/kernels.h"

namespace kite::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

constexpr uint64_t kPieceBytes = 4 << 20;
/// Of a .npy file; what numpy writes for two dimensions has 128 bytes.
constexpr uint64_t kHeaderBytesMax = 64 << 10;

enum class Element : uint8_t { kFloat32, kFloat16, kInt32 };

size_t WidthOf(Element element) { return element == Element::kFloat16 ? 2 : 4; }

/// Where the values of a file are.
struct Layout {
  Element element = Element::kFloat32;
  uint64_t offset = 0;  ///< of the first row
  uint64_t rows = 0;
  uint64_t columns = 0;
  uint64_t row_header = 0;  ///< bytes before each row, which repeat the number of columns

  [[nodiscard]] uint64_t stride() const { return row_header + columns * WidthOf(element); }
};

Status Bad(const std::string& path, const std::string& what) {
  return Status::InvalidArgument("'" + path + "' " + what);
}

/// The sizes make sense, and the file is as long as they say.
Status CheckLayout(const std::string& path, const Layout& layout, uint64_t file_size) {
  if (layout.rows < 1 || layout.rows >= kMatrixRowsMax) {
    return Bad(path, "has " + std::to_string(layout.rows) + " rows; 1 to 2147483647 are possible");
  }
  if (layout.columns < 1 || layout.columns > kMatrixColumnsMax) {
    return Bad(path, "has " + std::to_string(layout.columns) + " columns; 1 to 32768 are possible");
  }
  // At most 2^31 x 2^18 bytes: no overflow.
  const uint64_t expected = layout.offset + layout.rows * layout.stride();
  if (expected == file_size) return {};
  return Bad(path, "has " + std::to_string(file_size) + " bytes; " + std::to_string(layout.rows) +
                       " rows of " + std::to_string(layout.columns) + " columns would have " +
                       std::to_string(expected));
}

Layout ParseBin(std::string_view head, Element element) {
  BinaryReader in(head);
  Layout layout{.element = element, .offset = 2 * sizeof(uint32_t)};
  layout.rows = in.Fixed<uint32_t>();
  layout.columns = in.Fixed<uint32_t>();
  return layout;
}

Layout ParseVecs(std::string_view head, Element element, uint64_t file_size) {
  BinaryReader in(head);
  Layout layout{
      .element = element, .columns = in.Fixed<uint32_t>(), .row_header = sizeof(uint32_t)};
  layout.rows = file_size / layout.stride();
  return layout;
}

/// The text behind `'key':` in the header of a .npy file, blanks skipped; empty when there is no
/// such key.
std::string_view NpyValue(std::string_view header, std::string_view key) {
  const std::string quoted = "'" + std::string(key) + "':";
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos) return {};
  header.remove_prefix(at + quoted.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

/// Takes an unsigned number and the blanks before it off the front of `text`.
bool TakeNumber(std::string_view& text, uint64_t& number) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

/// "(rows, columns)" or "(rows, columns,)".
bool ParseShape(std::string_view text, Layout& layout) {
  if (!text.starts_with('(')) return false;
  text.remove_prefix(1);
  if (!TakeNumber(text, layout.rows) || !text.starts_with(',')) return false;
  text.remove_prefix(1);
  if (!TakeNumber(text, layout.columns)) return false;
  return text.starts_with(')') || text.starts_with(",)");
}

Result<Layout> ParseNpy(const std::string& path, std::string_view head) {
  BinaryReader in(head);
  const std::string_view magic = in.Take(6);
  const auto version = in.Fixed<uint8_t>();
  in.Fixed<uint8_t>();
  const uint64_t header_bytes = version == 1 ? in.Fixed<uint16_t>() : in.Fixed<uint32_t>();
  if (in.failed() || magic != "\x93NUMPY" || version < 1 || version > 3)
    return Bad(path, "is no .npy file");
  const std::string_view header = in.Take(header_bytes);
  if (in.failed()) return Bad(path, "has a .npy header that does not end within 64 KiB");
  Layout layout{.offset = (version == 1 ? 10 : 12) + header_bytes};
  const std::string_view type = NpyValue(header, "descr").substr(0, 5);
  if (type == "'<f4'") {
    layout.element = Element::kFloat32;
  } else if (type == "'<f2'") {
    layout.element = Element::kFloat16;
  } else if (type == "'<i4'") {
    layout.element = Element::kInt32;
  } else {
    return Bad(path,
               "has elements of type " + std::string(type) + "; known are '<f4', '<f2' and '<i4'");
  }
  if (!NpyValue(header, "fortran_order").starts_with("False"))
    return Bad(path, "is not in C order");
  if (!ParseShape(NpyValue(header, "shape"), layout)) return Bad(path, "has not two dimensions");
  return layout;
}

Result<Layout> ReadLayout(Disk& disk, const std::string& path) {
  KITE_ASSIGN_OR_RETURN(const uint64_t size, disk.FileSize(path));
  KITE_ASSIGN_OR_RETURN(const std::string head, disk.Read(path, 0, kHeaderBytesMax));
  Layout layout;
  const auto is = [&](std::string_view suffix) { return path.ends_with(suffix); };
  if (is(".fbin") || is(".ibin")) {
    layout = ParseBin(head, is(".fbin") ? Element::kFloat32 : Element::kInt32);
  } else if (is(".fvecs") || is(".ivecs")) {
    layout = ParseVecs(head, is(".fvecs") ? Element::kFloat32 : Element::kInt32, size);
  } else if (is(".npy")) {
    KITE_ASSIGN_OR_RETURN(layout, ParseNpy(path, head));
  } else {
    return Bad(path, "has none of the known endings .fbin, .ibin, .fvecs, .ivecs, .npy");
  }
  KITE_RETURN_IF_ERROR(CheckLayout(path, layout, size));
  return layout;
}

void Convert(const Layout& layout, const char* from, uint32_t* to) {
  std::memcpy(to, from, layout.columns * sizeof(uint32_t));
}

void Convert(const Layout& layout, const char* from, float* to) {
  if (layout.element == Element::kFloat32) {
    std::memcpy(to, from, layout.columns * sizeof(float));
    return;
  }
  for (uint64_t i = 0; i < layout.columns; ++i, from += sizeof(uint16_t)) {
    uint16_t half;
    std::memcpy(&half, from, sizeof(half));
    to[i] = HalfToFloat(half);
  }
}

template <typename T>
Result<Matrix<T>> ReadRows(Disk& disk, const std::string& path, const Layout& layout) {
  Matrix<T> matrix{.rows = layout.rows, .columns = static_cast<uint32_t>(layout.columns)};
  const uint64_t bytes = layout.rows * layout.columns * sizeof(T);
  matrix.memory = AllocateAligned(bytes);
  if (matrix.memory == nullptr) {
    return Status::Exhausted(StatusSubject::kMemory, "no memory for the " + std::to_string(bytes) +
                                                         " bytes of '" + path + "'");
  }
  const uint64_t rows_per_piece = std::max<uint64_t>(1, kPieceBytes / layout.stride());
  for (uint64_t begin = 0; begin < layout.rows; begin += rows_per_piece) {
    const uint64_t n = std::min(rows_per_piece, layout.rows - begin);
    KITE_ASSIGN_OR_RETURN(
        const std::string piece,
        disk.Read(path, layout.offset + begin * layout.stride(), n * layout.stride()));
    if (piece.size() != n * layout.stride()) return Bad(path, "became shorter while it was read");
    for (uint64_t i = 0; i < n; ++i) {
      const char* row = piece.data() + i * layout.stride();
      uint32_t columns = matrix.columns;
      if (layout.row_header != 0) std::memcpy(&columns, row, sizeof(columns));
      if (columns != matrix.columns) {
        return Bad(path, "has " + std::to_string(columns) + " columns in row " +
                             std::to_string(begin + i) + " and " + std::to_string(matrix.columns) +
                             " before");
      }
      Convert(layout, row + layout.row_header, matrix.values() + (begin + i) * layout.columns);
    }
  }
  return matrix;
}

}  // namespace

Result<Matrix<float>> ReadVectors(Disk& disk, const std::string& path) {
  KITE_ASSIGN_OR_RETURN(const Layout layout, ReadLayout(disk, path));
  if (layout.element == Element::kInt32) return Bad(path, "holds ids, not vectors");
  KITE_ASSIGN_OR_RETURN(Matrix<float> vectors, ReadRows<float>(disk, path, layout));
  for (size_t i = 0; i < vectors.rows; ++i) {
    if (!engine::AllFinite(vectors.row(i), vectors.columns)) {
      return Bad(path, "has a NaN or an infinity in row " + std::to_string(i));
    }
  }
  return vectors;
}

Result<Matrix<uint32_t>> ReadIds(Disk& disk, const std::string& path) {
  KITE_ASSIGN_OR_RETURN(const Layout layout, ReadLayout(disk, path));
  if (layout.element != Element::kInt32) return Bad(path, "holds vectors, not ids");
  return ReadRows<uint32_t>(disk, path, layout);
}

}  // namespace kite::cli
