// Array<T>: a fixed-size array that is owned (cache-line aligned, large ones on huge pages) or
// borrowed from an index file that outlives it.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "base/aligned_memory.h"
#include "base/result.h"

namespace kite::engine {

template <typename T>
  requires std::is_trivially_copyable_v<T>
class Array {
 public:
  Array() = default;

  /// n zeros. Exhausted(Memory) that says how much was asked for.
  static Result<Array> Allocate(size_t n) {
    KITE_ASSIGN_OR_RETURN(Array array, AllocateRaw(n));
    if (n > 0) std::memset(array.owned_.get(), 0, array.bytes());
    return array;
  }
  static Result<Array> Copy(std::span<const T> values) {
    KITE_ASSIGN_OR_RETURN(Array array, AllocateRaw(values.size()));
    if (!values.empty()) std::memcpy(array.owned_.get(), values.data(), values.size_bytes());
    return array;
  }
  static Array Borrow(std::span<const T> values) {
    Array array;
    array.view_ = values;
    return array;
  }

  [[nodiscard]] const T* data() const { return view_.data(); }
  [[nodiscard]] size_t size() const { return view_.size(); }
  [[nodiscard]] bool empty() const { return view_.empty(); }
  [[nodiscard]] size_t bytes() const { return view_.size_bytes(); }
  [[nodiscard]] std::span<const T> span() const { return view_; }
  const T& operator[](size_t i) const { return view_[i]; }

  /// Only of an owned array.
  [[nodiscard]] T* mutable_data() { return reinterpret_cast<T*>(owned_.get()); }

 private:
  static Result<Array> AllocateRaw(size_t n) {
    Array array;
    if (n == 0) return array;
    array.owned_ = AllocateAligned(n * sizeof(T));
    if (array.owned_ == nullptr) {
      return Status::Exhausted(
          StatusSubject::kMemory,
          "cannot allocate " + std::to_string(n * sizeof(T)) + " bytes for an index");
    }
    array.view_ = {reinterpret_cast<const T*>(array.owned_.get()), n};
    return array;
  }

  std::span<const T> view_;
  AlignedBytes owned_;
};

}  // namespace kite::engine
