// From the distance of a query to R rows at once to the three forms of a Distance. Included by the files of one level
// before the kernels proper, in the namespace kite::engine.
//
// A kernel K has
//   K::Type                                       an element
//   K::Rows<R>(query, rows, dim, out)             out[r] for rows[r], r < R; R does not change the bits of a result
//
// Nothing from the standard library is called: an inline function compiled here with wide instructions could
// be the copy that the linker keeps for the whole program.

namespace {

constexpr size_t kRowsAtATime = 4;

template <class K>
float Pair(const void* a, const void* b, size_t dim) {
  const auto* row = static_cast<const typename K::Type*>(b);
  float out;
  K::template Rows<1>(static_cast<const typename K::Type*>(a), &row, dim, &out);
  return out;
}

/// Four rows at a time, one from each quarter of the block: the CPU's prefetcher follows the four streams, where four
/// neighbours at once would look like jumps to it.
template <class K>
void Block(const void* query, const void* rows, size_t n, size_t dim, float* out) {
  static_assert(kRowsAtATime == 4);
  using Type = typename K::Type;
  const auto* q = static_cast<const Type*>(query);
  const auto* row = static_cast<const Type*>(rows);
  const size_t quarter = n / kRowsAtATime;
  const size_t stride = quarter * dim;
  for (size_t i = 0; i < quarter; ++i, row += dim) {
    const Type* const four[] = {row, row + stride, row + 2 * stride, row + 3 * stride};
    float scores[kRowsAtATime];
    K::template Rows<kRowsAtATime>(q, four, dim, scores);
#pragma GCC unroll 4
    for (size_t r = 0; r < kRowsAtATime; ++r) out[i + r * quarter] = scores[r];
  }
  row += 3 * stride;
  for (size_t i = kRowsAtATime * quarter; i < n; ++i, row += dim) {
    K::template Rows<1>(q, &row, dim, out + i);
  }
}

/// Asks for the beginning of the next rows while the present ones are computed; the CPU's own prefetcher
/// follows from there.
template <class Type>
inline void PrefetchRows(const Type* base, const uint32_t* ids, size_t n, size_t stride) {
  for (size_t i = 0; i < n; ++i) {
    const char* row = reinterpret_cast<const char*>(base + ids[i] * stride);
    __builtin_prefetch(row);
    __builtin_prefetch(row + 64);
  }
}

template <class K>
void Ids(const void* query, const void* base, size_t stride, const uint32_t* ids, size_t n,
         size_t dim, float* out) {
  using Type = typename K::Type;
  const auto* q = static_cast<const Type*>(query);
  const auto* rows = static_cast<const Type*>(base);
  size_t i = 0;
  for (; i + kRowsAtATime <= n; i += kRowsAtATime) {
    const size_t ahead = n - i - kRowsAtATime;
    PrefetchRows(rows, ids + i + kRowsAtATime, ahead < kRowsAtATime ? ahead : kRowsAtATime,
                 stride);
    const Type* const four[] = {rows + ids[i] * stride, rows + ids[i + 1] * stride,
                                rows + ids[i + 2] * stride, rows + ids[i + 3] * stride};
    K::template Rows<kRowsAtATime>(q, four, dim, out + i);
  }
  for (; i < n; ++i) {
    const Type* const row = rows + ids[i] * stride;
    K::template Rows<1>(q, &row, dim, out + i);
  }
}

template <class K>
constexpr Distance MakeDistance() {
  return {.pair = Pair<K>, .block = Block<K>, .ids = Ids<K>};
}

}  // namespace
