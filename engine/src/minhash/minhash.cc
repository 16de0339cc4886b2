#include "minhash/minhash.h"

#include <string>

#include "params.h"

namespace kite::engine {

Result<MinHash> MinHash::Make(Metric metric, const ParamMap& index_params,
                              const ParamMap& search_params, uint32_t dim) {
  if (metric != Metric::kMhJaccard) return MinHash();
  const auto value = [&](const IntRange& range) {
    return IntParam(index_params.contains(range.name) ? index_params : search_params, range);
  };
  KITE_ASSIGN_OR_RETURN(const int64_t bits, value(kMinHashBits));
  KITE_ASSIGN_OR_RETURN(const int64_t bands, value(kMinHashBands));
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) {
    return Status::InvalidArgument(std::string(kMinHashBits.name) +
                                   " must be one of 8, 16, 32, 64, got " + std::to_string(bits));
  }
  if (dim % bits != 0) {
    return Status::InvalidArgument("dim (" + std::to_string(dim) + ") must be a multiple of " +
                                   std::string(kMinHashBits.name) + " (" + std::to_string(bits) +
                                   ")");
  }
  const int64_t elements = dim / bits;
  if (bands > elements) {
    return Status::InvalidArgument(std::string(kMinHashBands.name) + " (" + std::to_string(bands) +
                                   ") must be at most the number of elements of a vector, dim / " +
                                   std::string(kMinHashBits.name) + " = " +
                                   std::to_string(elements));
  }
  MinHash minhash;
  minhash.element_bytes = static_cast<uint32_t>(bits / 8);
  minhash.bands = static_cast<uint32_t>(bands);
  minhash.band_bytes = static_cast<uint32_t>(elements / bands * (bits / 8));
  KITE_ASSIGN_OR_RETURN(minhash.similarity, BoolParam(search_params, kMinHashSimilarity, false));
  return minhash;
}

}  // namespace kite::engine
