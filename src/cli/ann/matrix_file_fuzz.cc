// Reads arbitrary bytes as a file of vectors and as one of ids. The first byte picks the ending.
#include <string>

#include "base/disk_memory.h"
#include "cli/ann/matrix_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr const char* kEndings[] = {".fbin", ".ibin", ".fvecs", ".ivecs", ".npy", ".txt"};
  const std::string path = std::string("/m") + kEndings[data[0] % std::size(kEndings)];
  const auto disk = kite::MemoryDisk::Make();
  const auto file = disk->Create(path);
  if (!file.ok()) __builtin_trap();
  if (!(*file)->Append({reinterpret_cast<const char*>(data + 1), size - 1}).ok()) __builtin_trap();
  const auto vectors = kite::cli::ReadVectors(*disk, path);
  // A float16 grows to float32; nothing else does.
  if (vectors.ok() && vectors->rows * vectors->columns * sizeof(float) > 2 * size) __builtin_trap();
  const auto ids = kite::cli::ReadIds(*disk, path);
  if (ids.ok() && ids->rows * ids->columns * sizeof(uint32_t) > size) __builtin_trap();
  return 0;
}
