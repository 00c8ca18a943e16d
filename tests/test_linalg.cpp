// Decompositions against what defines them.
#include <gtest/gtest.h>

#include <cmath>

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

Tensor eye(int64_t n) { return diag_embed(Tensor(full({n}, 1, DType::f64))); }
Tensor h(const Tensor& a) { return conj(mT(a)); }

class Matrices : public testing::TestWithParam<std::tuple<Shape, DType>> {
 protected:
  Tensor a() const { return Tensor(random(std::get<0>(GetParam()), 7, std::get<1>(GetParam()))); }
};
TEST_P(Matrices, FactorsMultiplyBack) {
  const Tensor x = a();
  const Tensors qr = linalg::qr(x), full = linalg::qr(x, "complete"), svd = linalg::svd(x, false), lu = linalg::lu(x);
  EXPECT_LT(difference(matmul(qr[0], qr[1]), x), 1e-13);
  EXPECT_LT(difference(matmul(full[0], full[1]), x), 1e-13);
  EXPECT_LT(difference(triu(full[1]), full[1]), 1e-15);
  EXPECT_LT(difference(matmul(mul(svd[0], unsqueeze(to(svd[1], x.dtype()), -2)), svd[2]), x), 1e-13);
  EXPECT_LT(difference(matmul(lu[0], matmul(lu[1], lu[2])), x), 1e-13);
  const Tensor p = linalg::pinv(x);
  EXPECT_LT(difference(matmul(matmul(x, p), x), x), 1e-12);
  EXPECT_LT(difference(h(matmul(p, x)), matmul(p, x)), 1e-12);
}
INSTANTIATE_TEST_SUITE_P(Linalg, Matrices,
                         testing::Combine(testing::Values(Shape{4, 4}, Shape{5, 3}, Shape{3, 5}, Shape{2, 3, 3}, Shape{1, 1}),
                                          testing::Values(DType::f64, DType::c128)));

TEST(Linalg, SquareMatrices) {
  for (DType t : {DType::f64, DType::c128}) {
    const Tensor a(random({3, 4, 4}, 3, t)), b(random({3, 4, 2}, 4, t)), one = to(eye(4), t);
    EXPECT_LT(difference(matmul(a, linalg::solve(a, b)), b), 1e-11);
    EXPECT_LT(difference(matmul(linalg::inv(a), a), expand(one, {3, 4, 4})), 1e-11);
    const Tensor s = add(a, h(a)), p = add(matmul(a, h(a)), one);
    const Tensors eigh = linalg::eigh(s), eig = linalg::eig(a);
    EXPECT_LT(difference(matmul(s, eigh[1]), mul(eigh[1], unsqueeze(to(eigh[0], t), -2))), 1e-12);
    EXPECT_LT(difference(matmul(to(a, DType::c128), eig[1]), mul(eig[1], unsqueeze(eig[0], -2))), 1e-12);
    EXPECT_LT(difference(to(prod(eig[0], -1), t), linalg::det(a)), 1e-12);
    const Tensors sl = linalg::slogdet(a);
    EXPECT_LT(difference(mul(sl[0], exp(sl[1])), linalg::det(a)), 1e-12);
    const Tensor l = linalg::cholesky(p), u = linalg::cholesky(p, true);
    EXPECT_LT(difference(matmul(l, h(l)), p), 1e-13);
    EXPECT_LT(difference(matmul(h(u), u), p), 1e-13);
    EXPECT_LT(difference(matmul(p, linalg::cholesky_solve(b, l)), b), 1e-12);
    EXPECT_LT(difference(matmul(p, linalg::cholesky_solve(b, u, true)), b), 1e-12);
    EXPECT_LT(difference(linalg::matrix_power(a, -2), matmul(linalg::inv(a), linalg::inv(a))), 1e-10);
    EXPECT_LT(difference(matmul(linalg::matrix_exp(a), linalg::matrix_exp(neg(a))), expand(one, {3, 4, 4})), 1e-10);
    EXPECT_LT(difference(linalg::det(linalg::matrix_exp(a)), exp(sum(diagonal(a, 0, -2, -1), {-1}))), 1e-10);
  }
}
TEST(Linalg, ValuesByHand) {
  const Tensor a(from_vector<double>({2, 1, 1, 3}, {2, 2}));
  EXPECT_NEAR(linalg::det(a).item<double>(), 5, 1e-14);
  EXPECT_NEAR(linalg::matrix_norm(a).item<double>(), std::sqrt(15), 1e-14);
  EXPECT_NEAR(linalg::matrix_norm(a, 1).item<double>(), 4, 1e-14);
  EXPECT_NEAR(linalg::matrix_norm(a, "nuc").item<double>(), 5, 1e-13);
  EXPECT_NEAR(linalg::cond(a).item<double>(), (5 + std::sqrt(5)) / (5 - std::sqrt(5)), 1e-13);
  EXPECT_EQ(linalg::matrix_rank(Tensor(from_vector<double>({1, 2, 2, 4}, {2, 2}))).item<int64_t>(), 1);
  const Tensor x(from_vector<double>({1, 0, 0}, {3})), y(from_vector<double>({0, 1, 0}, {3}));
  EXPECT_EQ(to_vector<double>(linalg::cross(x, y).array()), (std::vector<double>{0, 0, 1}));
  EXPECT_EQ(to_vector<double>(linalg::vander(Tensor(from_vector<double>({2, 3}, {2})), 3).array()), (std::vector<double>{1, 2, 4, 1, 3, 9}));
}
TEST(Linalg, LeastSquares) {
  const Tensor a(random({5, 2})), b(random({5, 3}, 2));
  const Tensors y = linalg::lstsq(a, b);
  EXPECT_LT(difference(matmul(mT(a), matmul(a, y[0])), matmul(mT(a), b)), 1e-12);
  EXPECT_EQ(y[1].shape(), (Shape{3}));
  EXPECT_EQ(y[2].item<int64_t>(), 2);
}
TEST(Linalg, SingularMatrices) {
  const Tensor zero(zeros({2, 2}, DType::f64));
  EXPECT_THROW(linalg::inv(zero), LinAlgError);
  EXPECT_THROW(linalg::solve(zero, Tensor(random({2}))), LinAlgError);
  EXPECT_THROW(linalg::cholesky(neg(eye(2))), LinAlgError);
  EXPECT_THROW(linalg::svd(Tensor(full({2, 2}, NAN, DType::f64))), LinAlgError);
  EXPECT_THROW(linalg::eig(Tensor(full({2, 2}, INFINITY, DType::f64))), LinAlgError);
  // The determinant of a singular matrix has a gradient: its cofactors.
  Tensor a(from_vector<double>({1, 2, 2, 4}, {2, 2}));
  a.set_requires_grad();
  linalg::det(a).backward();
  const auto g = to_vector<double>(a.grad().array());
  const double want[] = {4, -2, -2, 1};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(g[size_t(i)], want[i], 1e-13);
}
TEST(Linalg, GradientsOfCompositions) {
  const auto good = [](auto f, const Shape& s) {
    Tensor x(random(s, 9));
    x.set_requires_grad();
    const GradCheck c = gradcheck([&](const Tensors& t) { return Tensors{f(t[0])}; }, {x}, 1e-6);
    EXPECT_TRUE(c.ok) << c.message;
  };
  good([](const Tensor& x) { return linalg::matrix_exp(x); }, {3, 3});
  good([](const Tensor& x) { return linalg::pinv(x); }, {4, 2});
  good([](const Tensor& x) { return linalg::pinv(x); }, {2, 3});
  good([](const Tensor& x) { return linalg::cond(x); }, {3, 3});
  good([](const Tensor& x) { return linalg::matrix_norm(x, "nuc"); }, {3, 2});
  good([](const Tensor& x) { return linalg::lstsq(x, Tensor(random({4, 1}, 3)))[0]; }, {4, 2});
}

}  // namespace
