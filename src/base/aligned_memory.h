// Memory for large arrays: aligned to cache lines, or on huge pages, where reading at random misses
// the TLB less.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace kite {

struct AlignedDelete {
  size_t alignment = 0;
  void operator()(std::byte* bytes) const { ::operator delete(bytes, std::align_val_t{alignment}); }
};
using AlignedBytes = std::unique_ptr<std::byte, AlignedDelete>;

/// At least 64-byte aligned; some MB and more lie on huge pages where the system has them. Null
/// when there is no memory. Not initialized.
[[nodiscard]] AlignedBytes AllocateAligned(size_t bytes);

}  // namespace kite
