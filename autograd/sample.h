#pragma once
// Samples: how the table test, the benchmarks and the docs call an op. One list serves them all.
#include <functional>
#include <string>
#include <vector>

#include "autograd/autocast.h"
#include "autograd/tensor.h"
#include "tensor/random.h"

namespace hippograd {

// How to draw one input. `floating` inputs take the dtype under test; integer and boolean ones are fixed.
struct Input {
  enum Kind { Normal, Uniform, Apart, Integer, Boolean, Values, Absent, Padded };
  Kind kind = Normal;
  Shape shape;
  double low = 0, high = 1;
  std::vector<double> values;
  DType fixed = DType::f32;        // with `is_fixed`: the dtype, whatever is tested
  bool is_fixed = false, stays_real = false;

  Input(std::initializer_list<int64_t> s) : shape(s) {}
  explicit Input(Kind k, Shape s = {}) : kind(k), shape(s) {}
  Input real() const { Input i = *this; i.stays_real = true; return i; }           // real even when complex is tested
  Input dtype(DType t) const { Input i = *this; i.fixed = t; i.is_fixed = true; return i; }

  Array make(DType tested, Generator& g) const;
};
inline Input normal(Shape s) { return Input(Input::Normal, s); }
inline Input uniform(Shape s, double low, double high) { Input i(Input::Uniform, s); i.low = low; i.high = high; return i; }
inline Input apart(Shape s) { return Input(Input::Apart, s); }   // distinct values, 0.1 apart, none nearer than 0.05 to 0: no kinks
inline Input integers(Shape s, int64_t low, int64_t high) { Input i(Input::Integer, s); i.low = double(low); i.high = double(high); return i; }
inline Input booleans(Shape s) { return Input(Input::Boolean, s); }
inline Input absent() { return Input(Input::Absent); }           // an optional input that is not given
inline Input values(Shape s, std::vector<double> v) { Input i(Input::Values, s); i.values = std::move(v); return i; }

struct Out {                       // one output as the shape rule predicts it
  Shape shape;
  DType dtype = DType::f32;
  bool unknown = false;            // shape depends on the data (x[mask])
};
using Outs = std::vector<Out>;

struct Sample {
  std::vector<Input> inputs;
  std::string label;
  std::vector<std::vector<Input>> bench_inputs;   // benchmark shapes
  double tol = 1e-7;                              // relative, f64 gradcheck; loosen only with a comment
  double harsh = 0;                               // scale applied to floating inputs (0: none)
  bool smooth = true;                             // false: no finite differences (piecewise constant ops)
  std::function<Tensors(const Tensors&)> run;            // apply
  std::function<Tensors(const Tensors&)> reference;      // empty: none
  std::function<Outs(const Tensors&)> infer;

  Sample bench(std::vector<Input> i) const { Sample s = *this; s.bench_inputs.push_back(std::move(i)); return s; }
  Sample tolerance(double t) const { Sample s = *this; s.tol = t; return s; }
  Sample not_smooth() const { Sample s = *this; s.smooth = false; return s; }
};
using Samples = std::vector<Sample>;

struct ErrorSample {
  std::vector<Input> inputs;
  std::string text;                               // must stand in the message
  std::function<Tensors(const Tensors&)> run;
};
using ErrorSamples = std::vector<ErrorSample>;

// The op table: one entry per op type, made when the op is first mentioned by `apply` or `sample`.
struct OpEntry {
  std::string name, doc;
  std::vector<DType> dtypes;
  std::vector<bool> differentiable;               // per input; empty: every floating input
  bool has_reference = false, differentiable_backward = false, is_view = false;
  Autocast autocast = Autocast::Keep;
  std::function<Samples()> samples;
  std::function<ErrorSamples()> errors;
};
const std::vector<OpEntry>& op_table();           // sorted by name
void register_op(OpEntry entry);                  // ignores a second entry of the same name

}  // namespace hippograd
