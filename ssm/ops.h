#pragma once
// Every function on sequences, one line each. Channel-last, as the linear layers leave things: u, delta, z, x (B, L, D).
// The *_fn forms take the argument order and the channel-first layout of the authors' packages and pass strided views on.
#include <optional>
#include <string_view>

#include "autograd/tensor.h"

namespace hippograd {

// Gu & Dao 2023 (Mamba), algorithm 2:  h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t,  y_t = C_t . h_t + D u_t,  out = y silu(z),
// dt = softplus(delta + delta_bias). Complex A, B, C: y_t = 2 Re(C_t . h_t) + D u_t.
struct SelectiveScanOptions {
  Tensor D, z, delta_bias;                  // (D,), (B, L, D), (D,)
  bool delta_softplus = false;
  Tensor initial_state;                     // (B, D, N)
  bool reverse = false;
  Tensor seq_idx;                           // integers (B, L): a change resets the state, negative is padding
  std::optional<DType> out_dtype;
};
struct ScanResult { Tensor out, last_state; };
// A (D, N); B, C each: constant (D, N), or (B, L, N), or (B, L, G, N) with D % G == 0. last_state is (B, D, N).
ScanResult selective_scan(const Tensor& u, const Tensor& delta, const Tensor& A, const Tensor& B, const Tensor& C,
                          const SelectiveScanOptions& options = {});
// One token: u, delta, z (B, D), B, C (B, N) or (B, G, N). Several: u (B, T, D) and everything as in selective_scan.
ScanResult selective_scan_step(const Tensor& u, const Tensor& delta, const Tensor& A, const Tensor& B, const Tensor& C,
                               const Tensor& D, const Tensor& z, const Tensor& delta_bias, bool delta_softplus,
                               const Tensor& state);
// Channel-first: u, delta, z, out (B, D, L); B, C (D, N), (B, N, L) or (B, G, N, L); with complex A, varying B and C may be
// real with interleaved length 2L.
ScanResult selective_scan_fn(const Tensor& u, const Tensor& delta, const Tensor& A, const Tensor& B, const Tensor& C,
                             const SelectiveScanOptions& options = {});

// h_t = a_t h_{t-1} + b_t along `dim`; a, b of equal shape, real or complex; h0 has that shape without `dim`.
Tensor linear_scan(const Tensor& a, const Tensor& b, const Tensor& h0 = {}, int64_t dim = 1, bool reverse = false);

// y_t = activation(bias + sum_k weight[k] x_{t-K+1+k}), depthwise; weight (D, K), any K; activation "" or "silu" ("swish").
struct ConvResult { Tensor out, final_states; };   // final_states (B, D, K-1): the last K-1 inputs, oldest first
ConvResult causal_conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, std::string_view activation = "",
                         const Tensor& seq_idx = {}, const Tensor& initial_states = {});
// The next token (B, D) or tokens (B, T, D) of a running sequence whose last K-1 inputs are `state`.
ConvResult causal_conv1d_update(const Tensor& x, const Tensor& state, const Tensor& weight, const Tensor& bias = {},
                                std::string_view activation = "");
// Channel-first: x, out (B, D, L).
ConvResult causal_conv1d_fn(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Tensor& seq_idx = {},
                            const Tensor& initial_states = {}, std::string_view activation = "");
// x (B, D) or (B, D, T). conv_state (B, D, S), S >= K-1, holds the last S inputs and is shifted in place.
Tensor causal_conv1d_update_fn(const Tensor& x, const Tensor& conv_state, const Tensor& weight, const Tensor& bias = {},
                               std::string_view activation = "");

}  // namespace hippograd
