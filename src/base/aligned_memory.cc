#include "base/aligned_memory.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace kite {

namespace {
constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;
}  // namespace

AlignedBytes AllocateAligned(size_t bytes) {
  const size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kCacheLine;
  auto* memory =
      static_cast<std::byte*>(::operator new(bytes, std::align_val_t{alignment}, std::nothrow));
  if (memory == nullptr) return {};
#if defined(__linux__)
  // A hint: without transparent huge pages the array works as well, with more TLB misses.
  if (alignment == kHugePage) madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return AlignedBytes(memory, AlignedDelete{alignment});
}

}  // namespace kite
