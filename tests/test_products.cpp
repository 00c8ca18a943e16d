// einsum and its relatives against loops.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "autograd/broadcast.h"
#include "autograd/check.h"
#include "autograd/ops.h"
#include "tensor/random.h"

using namespace hippograd;

namespace {

Array random(const Shape& s, uint64_t seed = 1, DType t = DType::f64) {
  Generator g(seed);
  return rand_normal(s, 0, 1, t, g);
}
double difference(const Tensor& a, const Tensor& b) { return max_error(a.array(), b.array()); }

// The definition of einsum for explicit equations without "...": a loop over all letters.
Array plain_einsum(const std::string& inputs, const std::string& output, const std::vector<Array>& x) {
  std::vector<std::string> terms(1);
  for (char c : inputs) {
    if (c == ',') terms.emplace_back();
    else terms.back() += c;
  }
  std::map<char, int64_t> size, at;
  for (size_t i = 0; i < terms.size(); ++i)
    for (size_t d = 0; d < terms[i].size(); ++d) size[terms[i][d]] = std::max(size[terms[i][d]], x[i].size(int64_t(d)));
  int64_t total = 1;
  std::string letters;
  for (auto [c, n] : size) letters += c, total *= n;
  Shape shape;
  for (char c : output) shape.push_back(size[c]);
  Array y = zeros(shape, DType::f64);
  for (int64_t step = 0; step < total; ++step) {
    int64_t rest = step;
    for (char c : letters) at[c] = rest % size[c], rest /= size[c];
    double product = 1;
    for (size_t i = 0; i < terms.size(); ++i) {
      int64_t offset = 0;
      for (size_t d = 0; d < terms[i].size(); ++d)
        if (x[i].size(int64_t(d)) != 1) offset += at[terms[i][d]] * x[i].strides()[int(d)];
      product *= x[i].data<double>()[offset];
    }
    int64_t to = 0;
    for (size_t d = 0; d < output.size(); ++d) to += at[output[d]] * y.strides()[int(d)];
    y.data<double>()[to] += product;
  }
  return y;
}

struct Equation { const char *inputs, *output; std::vector<Shape> shapes; };
class Einsum : public testing::TestWithParam<Equation> {};
TEST_P(Einsum, IsItsDefinition) {
  const Equation& e = GetParam();
  std::vector<Array> arrays;
  Tensors tensors;
  for (size_t i = 0; i < e.shapes.size(); ++i) {
    arrays.push_back(random(e.shapes[i], i + 5));
    tensors.push_back(arrays.back());
  }
  const Tensor y = einsum(std::string(e.inputs) + "->" + e.output, tensors);
  const Array want = plain_einsum(e.inputs, e.output, arrays);
  EXPECT_EQ(y.shape(), want.shape());
  EXPECT_LT(max_error(y.array(), want), 1e-12);
  for (Tensor& t : tensors) t.set_requires_grad();
  const auto f = [&](const Tensors& x) { return Tensors{einsum(std::string(e.inputs) + " -> " + e.output, x)}; };
  const GradCheck check = gradcheck(f, tensors);
  EXPECT_TRUE(check.ok) << check.message;
}
INSTANTIATE_TEST_SUITE_P(
    Products, Einsum,
    testing::Values(Equation{"ij,jk", "ik", {{2, 3}, {3, 4}}}, Equation{"ij,jk", "ki", {{2, 3}, {3, 4}}}, Equation{"ij", "ji", {{2, 3}}},
                    Equation{"ii", "i", {{3, 3}}}, Equation{"ii", "", {{3, 3}}}, Equation{"ij", "", {{2, 3}}}, Equation{"ij", "j", {{2, 3}}},
                    Equation{"i,j", "ij", {{2}, {3}}}, Equation{"i,i", "", {{4}, {4}}}, Equation{"i,i", "i", {{4}, {4}}},
                    Equation{"bij,bjk", "bik", {{2, 3, 4}, {2, 4, 2}}}, Equation{"bhld,bhmd", "bhlm", {{2, 2, 3, 4}, {2, 2, 5, 4}}},
                    Equation{"blhd,bmhd", "bhlm", {{2, 3, 2, 4}, {2, 5, 2, 4}}}, Equation{"ab,bc,cd", "ad", {{2, 3}, {3, 2}, {2, 4}}},
                    Equation{"a,b,c", "cab", {{2}, {3}, {2}}}, Equation{"ijk,kl", "l", {{2, 3, 4}, {4, 2}}}, Equation{"iij,j", "i", {{2, 2, 3}, {3}}},
                    Equation{"ij,ij", "ij", {{2, 3}, {1, 3}}}, Equation{"ij,jk", "ik", {{2, 1}, {3, 2}}}, Equation{"aB,Ba", "B", {{2, 3}, {3, 2}}}));

TEST(EinsumForms, EllipsisAndImplicitOutput) {
  const Tensor a(random({2, 3, 4})), b(random({4, 5}, 2)), c(random({2, 4, 5}, 3)), m(random({3, 3}, 4));
  EXPECT_LT(difference(einsum("...j,jk->...k", {a, b}), matmul(a, b)), 1e-14);
  EXPECT_LT(difference(einsum("...ij,...jk", {a, c}), matmul(a, c)), 1e-14);
  EXPECT_LT(difference(einsum("ba", {b}), transpose(b, 0, 1)), 1e-15);
  EXPECT_LT(difference(einsum("ii", {m}), sum_to(diagonal(m), {})), 1e-14);
  EXPECT_LT(difference(einsum("i...->...", {a}), sum_to(a, {3, 4})), 1e-14);
}
TEST(EinsumForms, Errors) {
  const Tensor a(random({2, 3}));
  EXPECT_THROW(einsum("ij,jk->ik", {a, a}), ShapeError);
  EXPECT_THROW(einsum("ij,jk->ik", {a}), ValueError);
  EXPECT_THROW(einsum("ij->ikk", {a}), ValueError);
  EXPECT_THROW(einsum("ijk->i", {a}), ShapeError);
  EXPECT_THROW(einsum("i1->i", {a}), ValueError);
  EXPECT_THROW(einsum("ii->i", {a}), ShapeError);
  EXPECT_THROW(einsum("i.j->i", {a}), ValueError);
}

TEST(Products, Integers) {
  const Tensor a(from_vector<int64_t>({1, 2, 3, 4, 5, 6}, {2, 3}));
  EXPECT_EQ(to_vector<int64_t>(matmul(a, transpose(a, 0, 1)).array()), (std::vector<int64_t>{14, 32, 32, 77}));
  EXPECT_EQ(to_vector<int64_t>(einsum("ij->j", {a}).array()), (std::vector<int64_t>{5, 7, 9}));
}
TEST(Products, VectorsAndRanks) {
  const Tensor v(random({3})), w(random({3}, 2)), m(random({2, 3}, 3)), b(random({4, 2, 3}, 5));
  EXPECT_EQ(matmul(v, w).shape(), Shape{});
  EXPECT_EQ(matmul(m, v).shape(), (Shape{2}));
  EXPECT_EQ(matmul(b, v).shape(), (Shape{4, 2}));
  EXPECT_EQ(matmul(Tensor(random({2})), b).shape(), (Shape{4, 3}));
  EXPECT_LT(difference(matmul(b, v), select(sum_to(mul(b, v), {4, 2, 1}), 2, 0)), 1e-14);
  EXPECT_LT(difference(linear(v, m), matmul(m, v)), 1e-14);
  EXPECT_THROW(matmul(Tensor(random({})), m), ShapeError);
}
TEST(Products, Compositions) {
  const Tensor a(random({2, 3})), b(random({3, 4}, 2)), c(random({4, 2}, 3)), x(random({2, 4}, 4));
  EXPECT_LT(difference(addmm(x, a, b, 0.5, 2), add(mul(x, 0.5), mul(matmul(a, b), 2))), 1e-14);
  EXPECT_LT(difference(multi_dot({a, b, c}), matmul(matmul(a, b), c)), 1e-13);
  EXPECT_LT(difference(tensordot(a, b, 1), matmul(a, b)), 1e-14);
  EXPECT_LT(difference(tensordot(a, b, {1}, {0}), matmul(a, b)), 1e-14);
  EXPECT_EQ(kron(a, b).shape(), (Shape{6, 12}));
  EXPECT_LT(difference(select(select(kron(a, b), 0, 4), 0, 7), mul(select(select(a, 0, 1), 0, 1), select(select(b, 0, 1), 0, 3))), 1e-15);
}

}  // namespace
