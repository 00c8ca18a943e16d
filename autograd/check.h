#pragma once
// Checks that every op must pass (architecture 10), run over the op table by tests/test_ops.cpp, over planted faults by
// tests/test_fixtures.cpp, and from a notebook by hg.check("softmax").
//
// Gradients are checked in f64 against central differences with Richardson extrapolation, for a *random* cotangent: ones are
// blind (sum(softmax(x)) is constant, so a zero gradient would pass). All comparisons go through `max_error`, in which NaN is
// infinite.
#include <functional>
#include <string>
#include <vector>

#include "autograd/sample.h"

namespace hippograd {

// max |a - b| over the larger of max |b| and `floor`; infinite if anything is NaN or shapes differ.
double max_error(const Array& a, const Array& b, double floor = 1e-3);

struct GradCheck {
  bool ok = true;
  double error = 0;         // worst relative error
  std::string message;      // input, index, analytic and numeric value of the worst entry
  std::vector<double> largest;   // per input: largest |gradient| seen
};
// Compares grad() of L = sum Re(conj(cotangent) * f(x)) with finite differences at every entry of every floating input that
// is not masked out (at 32 random entries and 8 random directions if there are more than 2,000).
// The seed draws the cotangent: it must not be one that drew the inputs, or the cotangent would be the inputs again.
GradCheck gradcheck(const std::function<Tensors(const Tensors&)>& f, const Tensors& inputs, double tol = 1e-7,
                    const std::vector<bool>& differentiable = {}, uint64_t seed = 101);
// The same for the backward of f, as a function of the inputs and the cotangent.
GradCheck gradgradcheck(const std::function<Tensors(const Tensors&)>& f, const Tensors& inputs, double tol = 1e-6,
                        const std::vector<bool>& differentiable = {}, uint64_t seed = 102);

enum class Check { ShapeRule, Gradient, NotVacuous, SecondOrder, Reference, Devices, Layouts, Errors, Canaries, Deterministic, Bench, Aliases };
inline constexpr Check kChecks[] = {Check::ShapeRule, Check::Gradient, Check::NotVacuous, Check::SecondOrder, Check::Reference, Check::Devices,
                                    Check::Layouts, Check::Errors, Check::Canaries, Check::Deterministic, Check::Bench, Check::Aliases};
const char* name(Check c);

// "" if the op passes; else what failed, with the sample, the entry and both values. On another device the inputs live there:
// Reference compares outputs and gradients with the CPU in double precision, SecondOrder and Aliases with the CPU; Gradient,
// NotVacuous and Devices hold once for all devices and are not repeated.
std::string run_check(const OpEntry& op, Check check, Device device = {});

}  // namespace hippograd
