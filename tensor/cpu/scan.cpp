// The slots of tensor/kernels/scan.h on the CPU: arrays to pointers and strides.
#include "tensor/kernels/scan.h"

#include "tensor/cpu/conv1d_raw.h"
#include "tensor/cpu/linear_scan_raw.h"
#include "tensor/cpu/scan_raw.h"
#include "tensor/parallel.h"

namespace hippograd {
namespace kernels {
constinit decltype(selective_scan_fwd) selective_scan_fwd{"selective_scan_fwd"};
constinit decltype(selective_scan_bwd) selective_scan_bwd{"selective_scan_bwd"};
constinit decltype(linear_scan_fwd) linear_scan_fwd{"linear_scan_fwd"};
constinit decltype(linear_scan_bwd) linear_scan_bwd{"linear_scan_bwd"};
constinit decltype(causal_conv1d_fwd) causal_conv1d_fwd{"causal_conv1d_fwd"};
constinit decltype(causal_conv1d_bwd) causal_conv1d_bwd{"causal_conv1d_bwd"};

int64_t scan_checkpoints(int64_t B, int64_t L, int64_t D, int64_t N, bool complex) {
  return cpu::scan_checkpoint_size({B, L, D, 1, N, complex, false, false});
}
}  // namespace kernels

namespace {
using namespace cpu;

// Waking other threads pays from about 20 us of work on.
int threads_for(double nanoseconds) { return nanoseconds < 20000 || in_parallel() ? 1 : num_threads(); }

// A complex array is read as pairs of T.
template <class T> const T* pointer(CArray x) { return x.defined() ? static_cast<const T*>(x.raw()) : nullptr; }
template <class T> T* pointer(MArray x) { return x.defined() ? static_cast<T*>(x.raw()) : nullptr; }
int64_t planes(CArray x) { return is_complex(x.dtype()) ? 2 : 1; }
int64_t stride(CArray x, int d) { return x.strides()[d] * planes(x); }

template <class T> using Element = std::conditional_t<std::is_const_v<T>, CArray, MArray>;

// (B, L, D), or (B, D) without a time axis.
template <class T> Rows<T> rows(Element<T> x) {
  if (!x.defined()) return {};
  if (x.dim() == 2) return {pointer<std::remove_const_t<T>>(x), stride(x, 0), 0, stride(x, 1)};
  return {pointer<std::remove_const_t<T>>(x), stride(x, 0), stride(x, 1), stride(x, 2)};
}
// (D, N), or (B, D, N).
template <class T> States<T> states(Element<T> x) {
  if (!x.defined()) return {};
  if (x.dim() == 2) return {pointer<std::remove_const_t<T>>(x), 0, stride(x, 0), stride(x, 1)};
  return {pointer<std::remove_const_t<T>>(x), stride(x, 0), stride(x, 1), stride(x, 2)};
}
// (D, N), or (B, L, G, N).
template <class T> Coefficients<T> coefficients(Element<T> x, bool constant) {
  Coefficients<T> c{.data = nullptr, .constant = constant};
  if (!x.defined()) return c;
  c.data = pointer<std::remove_const_t<T>>(x);
  if (constant) {
    c.stride_d = stride(x, 0), c.stride_n = stride(x, 1);
  } else {
    c.stride_b = stride(x, 0), c.stride_t = stride(x, 1), c.stride_g = stride(x, 2), c.stride_n = stride(x, 3);
  }
  return c;
}
template <class T> Channels<T> channels(Element<T> x) {
  if (!x.defined()) return {};
  return {pointer<std::remove_const_t<T>>(x), x.strides()[0]};
}
// (D, K), or (B, D, K - 1).
template <class T> Taps<T> taps(Element<T> x) {
  if (!x.defined()) return {};
  if (x.dim() == 2) return {pointer<std::remove_const_t<T>>(x), 0, x.strides()[0], x.strides()[1]};
  return {pointer<std::remove_const_t<T>>(x), x.strides()[0], x.strides()[1], x.strides()[2]};
}
Segments segments(CArray x) {
  if (!x.defined()) return {};
  return {x.data<int64_t>(), x.strides()[0], x.strides()[1]};
}

template <class F> void by_dtype(CArray x, F&& f) { real_of(x.dtype()) == DType::f64 ? f(double{}) : f(float{}); }

template <class T>
ScanInputs<T> scan_inputs(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias,
                          CArray initial_state, CArray seq_idx, const kernels::ScanOptions& options) {
  ScanInputs<T> in;
  const bool b_constant = Bt.dim() == 2, c_constant = Ct.dim() == 2;
  const int64_t G = !b_constant ? Bt.shape()[2] : !c_constant ? Ct.shape()[2] : 1;
  in.shape = {u.shape()[0], u.shape()[1], u.shape()[2], G, A.shape()[1], is_complex(A.dtype()), options.delta_softplus,
              options.reverse};
  in.u = rows<const T>(u), in.delta = rows<const T>(delta), in.z = rows<const T>(z);
  in.A = states<const T>(A);
  in.Bt = coefficients<const T>(Bt, b_constant), in.Ct = coefficients<const T>(Ct, c_constant);
  in.D = channels<const T>(D), in.delta_bias = channels<const T>(delta_bias);
  in.initial_state = states<const T>(initial_state);
  in.segments = segments(seq_idx);
  return in;
}

double work(const ScanShape& s, double per_state, double per_channel) {
  return double(s.B) * double(s.L) * double(s.D) * (double(s.N) * per_state * (s.complex ? 4 : 1) + per_channel);
}

void scan_forward(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias,
                  CArray initial_state, CArray seq_idx, kernels::ScanOptions options, MArray out, MArray last_state,
                  MArray checkpoints) {
  by_dtype(u, [&]<class T>(T) {
    const auto in = scan_inputs<T>(u, delta, A, Bt, Ct, D, z, delta_bias, initial_state, seq_idx, options);
    selective_scan_forward<T>(in, rows<T>(out), states<T>(last_state), pointer<T>(checkpoints),
                              threads_for(work(in.shape, 0.3, 2)));
  });
}

void scan_backward(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias,
                   CArray initial_state, CArray seq_idx, kernels::ScanOptions options, CArray checkpoints, CArray dout,
                   CArray dlast_state, MArray du, MArray ddelta, MArray dA, MArray dBt, MArray dCt, MArray dD, MArray dz,
                   MArray ddelta_bias, MArray dinitial_state) {
  by_dtype(u, [&]<class T>(T) {
    const auto in = scan_inputs<T>(u, delta, A, Bt, Ct, D, z, delta_bias, initial_state, seq_idx, options);
    ScanGradients<T> grad;
    grad.u = rows<T>(du), grad.delta = rows<T>(ddelta), grad.z = rows<T>(dz);
    grad.A = states<T>(dA);
    grad.Bt = coefficients<T>(dBt, in.Bt.constant), grad.Ct = coefficients<T>(dCt, in.Ct.constant);
    grad.D = channels<T>(dD), grad.delta_bias = channels<T>(ddelta_bias);
    grad.initial_state = states<T>(dinitial_state);
    selective_scan_backward<T>(in, pointer<T>(checkpoints), rows<const T>(dout), states<const T>(dlast_state), grad,
                               threads_for(work(in.shape, 1, 5)));
  });
}

LinearScanShape linear_shape(CArray a, bool reverse) {
  return {a.shape()[0], a.shape()[1], a.shape()[2], is_complex(a.dtype()), reverse};
}

void linear_forward(CArray a, CArray b, CArray h0, bool reverse, MArray h) {
  by_dtype(a, [&]<class T>(T) {
    cpu::linear_scan_forward<T>(linear_shape(a, reverse), rows<const T>(a), rows<const T>(b), rows<const T>(h0), rows<T>(h),
                                threads_for(double(a.numel())));
  });
}

void linear_backward(CArray a, CArray h0, CArray h, CArray dh, bool reverse, MArray da, MArray db, MArray dh0) {
  by_dtype(a, [&]<class T>(T) {
    cpu::linear_scan_backward<T>(linear_shape(a, reverse), rows<const T>(a), rows<const T>(h0), rows<const T>(h),
                                 rows<const T>(dh), rows<T>(da), rows<T>(db), rows<T>(dh0), threads_for(2.0 * double(a.numel())));
  });
}

template <class T>
ConvInputs<T> conv_inputs(CArray x, CArray weight, CArray bias, CArray initial_states, CArray seq_idx, bool silu) {
  ConvInputs<T> in;
  in.B = x.shape()[0], in.L = x.shape()[1], in.D = x.shape()[2], in.K = weight.shape()[1];
  in.silu = silu;
  in.x = rows<const T>(x);
  in.weight = taps<const T>(weight);
  in.bias = pointer<T>(bias);
  in.bias_stride = bias.defined() ? bias.strides()[0] : 0;
  in.initial_states = taps<const T>(initial_states);
  in.segments = segments(seq_idx);
  return in;
}

void conv_forward(CArray x, CArray weight, CArray bias, CArray initial_states, CArray seq_idx, bool silu, MArray y,
                  MArray final_states) {
  by_dtype(x, [&]<class T>(T) {
    causal_conv1d_forward<T>(conv_inputs<T>(x, weight, bias, initial_states, seq_idx, silu), rows<T>(y), taps<T>(final_states),
                             threads_for(double(x.numel()) * 0.7));
  });
}

void conv_backward(CArray x, CArray weight, CArray bias, CArray initial_states, CArray seq_idx, bool silu, CArray dy,
                   CArray dfinal_states, MArray dx, MArray dweight, MArray dbias, MArray dinitial_states) {
  by_dtype(x, [&]<class T>(T) {
    ConvGradients<T> grad;
    grad.x = rows<T>(dx);
    grad.weight = taps<T>(dweight);
    if (dbias.defined()) grad.bias = pointer<T>(dbias), grad.bias_stride = dbias.strides()[0];
    grad.initial_states = taps<T>(dinitial_states);
    causal_conv1d_backward<T>(conv_inputs<T>(x, weight, bias, initial_states, seq_idx, silu), rows<const T>(dy),
                              taps<const T>(dfinal_states), grad, threads_for(double(x.numel()) * 2));
  });
}

const Bind b0(kernels::selective_scan_fwd, DeviceKind::CPU, scan_forward);
const Bind b1(kernels::selective_scan_bwd, DeviceKind::CPU, scan_backward);
const Bind b2(kernels::linear_scan_fwd, DeviceKind::CPU, linear_forward);
const Bind b3(kernels::linear_scan_bwd, DeviceKind::CPU, linear_backward);
const Bind b4(kernels::causal_conv1d_fwd, DeviceKind::CPU, conv_forward);
const Bind b5(kernels::causal_conv1d_bwd, DeviceKind::CPU, conv_backward);

}  // namespace
}  // namespace hippograd
