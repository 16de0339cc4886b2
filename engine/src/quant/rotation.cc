#include "quant/rotation.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "kernels/code_kernels.h"

namespace kite::engine {
namespace {

constexpr size_t kRounds = 4;

}  // namespace

Rotation::Rotation(uint32_t dim, uint64_t seed)
    : dim_(dim),
      padded_(PaddedDim(dim)),
      span_(std::bit_floor(padded_)),
      signs_(kRounds * padded_) {
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < signs_.size(); i += 64) {
    const uint64_t bits = random();
    for (size_t j = 0; j < 64; ++j) signs_[i + j] = (bits >> j & 1) != 0 ? 1.0F : -1.0F;
  }
}

size_t Rotation::Bytes(uint32_t dim) { return kRounds * PaddedDim(dim) * sizeof(float); }

void Rotation::Apply(float* values) const {
  std::fill(values + dim_, values + padded_, 0.0F);
  const float scale = 1.0F / std::sqrt(static_cast<float>(span_));
  const CodeKernels& kernels = ActiveCodeKernels();
  for (size_t round = 0; round < kRounds; ++round) {
    const float* const signs = signs_.data() + round * padded_;
    for (size_t j = 0; j < padded_; ++j) values[j] *= signs[j];
    kernels.hadamard(round % 2 == 0 ? values : values + padded_ - span_, span_, scale);
  }
}

}  // namespace kite::engine
