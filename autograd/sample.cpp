#include "autograd/sample.h"

#include <cmath>

namespace hippograd {

Array Input::make(DType tested, Generator& g) const {
  if (kind == Absent) return {};
  DType t = is_fixed ? fixed : stays_real ? real_of(tested) : tested;
  switch (kind) {
    case Integer: return rand_int(shape, int64_t(low), int64_t(high), g).to(is_fixed ? fixed : DType::i64);
    case Boolean: return rand_int(shape, 0, 2, g).to(DType::b8);
    case Values: {
      if (!is_fixed && !is_floating(t)) t = DType::f64;
      return from_vector(values, shape).to(t);
    }
    case Uniform: return rand_uniform(shape, low, high, real_of(compute_dtype(t)), g).to(t);
    case Apart: {   // a shuffled grid of step 0.1 that leaves out 0
      const int64_t n = shape.numel();
      const Array order = rand_perm(n, g);
      std::vector<double> v(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) v[i] = (double(order.data<int64_t>()[i]) - double(n / 2)) * 0.1 + 0.05;
      return from_vector(v, shape).to(t);
    }
    default: return rand_normal(shape, 0, 1, t, g);
  }
}

}  // namespace hippograd
