// The files of a sealed segment: the first byte says which one the rest is.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "segment/parquet_scalars.h"
#include "segment/stats_file.h"
#include "segment/timestamp_file.h"

namespace {

class View final : public kite::store::ObjectView {
 public:
  explicit View(std::string bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] std::string_view bytes() const override { return bytes_; }

 private:
  const std::string bytes_;
};

constexpr uint64_t kRows = 3;

void ReadTimestamps(std::string bytes) {
  const auto file =
      kite::segment::TimestampFile::Open(std::make_shared<View>(std::move(bytes)), kRows, "fuzz");
  if (!file.ok()) return;
  uint64_t bits = 0;
  file->MarkLater(kite::model::Timestamp(1), {&bits, 1});
  for (kite::engine::Row row = 0; row < kRows; ++row) (void)file->Of(row);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0:
      ReadTimestamps(std::move(bytes));
      break;
    case 1:
      (void)kite::segment::DecodeStats(bytes, kRows, "fuzz");
      break;
    default: {
      kite::model::FieldSchema field;
      field.id = kite::model::FieldId(101);
      field.type =
          data[0] % 4 == 2 ? kite::model::DataType::kInt16 : kite::model::DataType::kVarChar;
      (void)kite::segment::ReadParquetColumn(bytes, field, kRows, 1000, "fuzz");
    }
  }
  return 0;
}
