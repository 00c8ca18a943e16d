#pragma once
// The functions of autograd/ops.h, one file per family.

namespace hippograd::python {

void bind_shape();
void bind_pointwise();
void bind_in_place();
void bind_random();
void bind_reduce();
void bind_matmul();
void bind_nn();
void bind_fft_pool();
void bind_linalg();
void bind_files();
void bind_optimizer_steps();
void bind_scans();

inline void bind_ops() {
  bind_shape();
  bind_pointwise();
  bind_in_place();
  bind_random();
  bind_reduce();
  bind_matmul();
  bind_nn();
  bind_fft_pool();
  bind_linalg();
  bind_files();
  bind_optimizer_steps();
  bind_scans();
}

}  // namespace hippograd::python
