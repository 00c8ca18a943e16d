#pragma once
// Mamba (Gu & Dao 2023, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", section 3).
//
//   [x | z]     = in_proj(input)                             (B, L, E) each, E = expand d_model
//   x           = silu(conv1d(x))                            depthwise, causal, d_conv taps
//   [dt | B | C] = x_proj(x)                                 (B, L, R), (B, L, N), (B, L, N)
//   delta       = dt_proj.weight dt                          (B, L, E)
//   y           = selective_scan(x, softplus(delta + dt_proj.bias), A = -exp(A_log), B, C, D) silu(z)
//   output      = out_proj(y)                                (B, L, d_model)
//
// Parameter names, shapes and initial values are those of the authors' package. A_log, D and dt_proj.bias stay f32 in a
// half-precision model, and A_log and D take no weight decay.
#include <cstdint>

#include "nn/scope.h"

namespace hippograd {

struct MambaConfig {
  int64_t d_model = 0, d_state = 16, d_conv = 4, expand = 2;
  int64_t dt_rank = 0;                                   // 0: ceil(d_model / 16)
  double dt_min = 0.001, dt_max = 0.1, dt_init_floor = 1e-4;
  bool conv_bias = true, bias = false;                   // bias: of in_proj and out_proj
  int64_t d_inner() const { return expand * d_model; }
  int64_t rank() const { return dt_rank > 0 ? dt_rank : (d_model + 15) / 16; }
};

// What a running sequence needs: the last d_conv - 1 inputs of the convolution, oldest first, and the state of the scan.
struct MambaState {
  Tensor conv;   // (B, d_inner, d_conv - 1)
  Tensor ssm;    // (B, d_inner, d_state), f32 or f64
};
struct MambaResult { Tensor y; MambaState state; };

struct MambaLayer final {
  MambaConfig config;
  Tensor in_proj, in_proj_bias, conv, conv_bias, x_proj, dt_proj, dt_bias, A_log, D, out_proj, out_proj_bias;

  MambaLayer(Scope s, const MambaConfig& config);
  Tensor operator()(const Tensor& x) const { return forward(x).y; }                        // (B, L, d_model) -> the same
  // state: of what came before (undefined tensors: nothing). The new one is in the result if return_state. lengths (B,),
  // integers: row b ends after lengths[b] steps; what follows is padding, gives 0 before out_proj and leaves the state alone.
  MambaResult forward(const Tensor& x, const MambaState& state = {}, bool return_state = false, const Tensor& lengths = {}) const;
  MambaResult step(const Tensor& x, const MambaState& state) const;                        // x, y: (B, d_model)
  MambaState init_state(int64_t batch) const;                                              // zeros
};

// y = x + mixer(RMSNorm(x)). The residual stream is f32 in a half-precision model, so y is f32 there. Stacked, these blocks are
// the authors' Add -> RMSNorm -> mixer, with the addition at the end of a block in place of the start of the next.
struct MambaBlock final {
  Tensor norm;
  double eps;
  MambaLayer mixer;

  MambaBlock(Scope s, const MambaConfig& config, double eps = 1e-5);
  Tensor operator()(const Tensor& x) const { return forward(x).y; }
  MambaResult forward(const Tensor& x, const MambaState& state = {}, bool return_state = false, const Tensor& lengths = {}) const;
  MambaResult step(const Tensor& x, const MambaState& state) const;
  MambaState init_state(int64_t batch) const { return mixer.init_state(batch); }

 private:
  Tensor normed(const Tensor& residual) const;
};

}  // namespace hippograd
