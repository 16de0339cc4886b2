// Manifests: the bytes as they are, and again with their checksum made right so that the decoder
// behind it is reached.
#include <cstddef>
#include <cstdint>

#include "base/crc32c.h"
#include "segment/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kite::segment::DecodeManifest;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  (void)DecodeManifest(bytes, "fuzz");
  const uint32_t crc = kite::Crc32c(0, bytes.data(), bytes.size());
  kite::PutFixed(bytes, crc);
  const auto manifest = DecodeManifest(bytes, "fuzz");
  if (manifest.ok() && !DecodeManifest(EncodeManifest(*manifest), "again").ok()) __builtin_trap();
  return 0;
}
