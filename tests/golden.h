#pragma once
// Reference results of other people's code (tests/golden; format: one safetensors file per case, large ones split into
// NAME.part1of3.safetensors, ...; complex tensors as NAME.re and NAME.im).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "autograd/check.h"
#include "tensor/backend.h"
#include "tensor/safetensors.h"

namespace hippograd {

// HIPPOGRAD_TEST_DEVICE=cuda runs the files on that device; all tests are skipped where there is none.
inline Device test_device() {
  const char* name = std::getenv("HIPPOGRAD_TEST_DEVICE");
  return name && *name ? Device::parse(name) : Device{};
}
// A skip in an Environment would count its tests as passed: the program ends with 77, which ctest reports as skipped.
struct NeedsTestDevice : testing::Environment {
  void SetUp() override {
    const Device d = test_device();
    const std::string why = why_unavailable(d.kind);
    if (why.empty()) return;
    std::printf("skipped: %s: %s\n", d.str().c_str(), why.c_str());
    std::fflush(stdout);
    std::_Exit(77);
  }
};
inline testing::Environment* const needs_test_device = testing::AddGlobalTestEnvironment(new NeedsTestDevice);

struct Golden {
  std::map<std::string, Array> tensors;
  std::map<std::string, std::string> metadata;
  nlohmann::json options;

  // stem: "selective_scan/L1_all"
  explicit Golden(const std::string& stem) {
    const std::filesystem::path whole = std::string(HIPPOGRAD_SOURCE_DIR "/tests/golden/") + stem;
    std::vector<std::string> files;
    for (const auto& e : std::filesystem::directory_iterator(whole.parent_path())) {
      const std::string f = e.path().filename().string(), name = whole.filename().string();
      if (f == name + ".safetensors" || (f.starts_with(name + ".part") && f.ends_with(".safetensors"))) files.push_back(e.path().string());
    }
    if (files.empty()) fail<FileError>("no golden file ", whole.string());
    for (const std::string& f : files) {
      TensorFile file = load_safetensors(f);
      metadata.insert(file.metadata.begin(), file.metadata.end());
      for (auto& [name, a] : file.tensors) tensors[name] = a;
    }
    join_complex();
    for (auto& [name, a] : tensors) a = a.to(test_device());
    options = nlohmann::json::parse(metadata.at("options"));
  }
  bool has(const std::string& name) const { return tensors.count(name) > 0; }
  const Array& at(const std::string& name) const {
    const auto it = tensors.find(name);
    if (it == tensors.end()) fail<FileError>("the golden file has no ", name);
    return it->second;
  }
  // in.NAME as a leaf; undefined if the case does not have it.
  Tensor in(const std::string& name) const {
    if (!has("in." + name)) return {};
    Tensor t(at("in." + name));
    if (is_floating(t.dtype())) t.set_requires_grad();
    return t;
  }
  // Names behind a prefix: names("grad.") -> A, B, ...
  std::vector<std::string> names(const std::string& prefix) const {
    std::vector<std::string> list;
    for (const auto& [name, a] : tensors) if (name.starts_with(prefix)) list.push_back(name.substr(prefix.size()));
    return list;
  }
  double largest(const std::string& prefix) const {
    double m = 0;
    for (const auto& [name, a] : tensors)
      if (name.starts_with(prefix)) for (const auto& v : to_vector<complex128>(a)) m = std::max(m, std::abs(v));
    return m;
  }
  // L = sum Re(cot) Re(out) + Im(cot) Im(out) over the outputs that have a cotangent, differentiated.
  Tensors gradients(const std::map<std::string, Tensor>& outputs, const Tensors& xs) const {
    Tensors ys, dys;
    for (const auto& [name, y] : outputs)
      if (has("cot." + name)) {
        ys.push_back(y);
        dys.push_back(Tensor(at("cot." + name)));
      }
    GradOptions o;
    o.allow_unused = true;
    return grad(ys, xs, dys, o);
  }
  // `tol` relative to the largest entry; gradients also pass within 1e-12 of the case's largest gradient (zeros by symmetry).
  void expect(const std::string& name, const Array& got, double tol) const {
    const double floor = name.starts_with("grad.") ? largest("grad.") * 1e-12 / tol : 1e-300;
    EXPECT_LE(max_error(got, at(name), floor), tol) << name;
  }

 private:
  void join_complex() {
    for (const std::string& name : names("")) {
      if (!name.ends_with(".re")) continue;
      const std::string stem = name.substr(0, name.size() - 3);
      if (!has(stem + ".im")) continue;
      const std::vector<double> re = to_vector<double>(at(name)), im = to_vector<double>(at(stem + ".im"));
      std::vector<complex128> z(re.size());
      for (size_t i = 0; i < z.size(); ++i) z[i] = {re[i], im[i]};
      tensors[stem] = from_vector(z, at(name).shape());
      tensors.erase(name), tensors.erase(stem + ".im");
    }
  }
};

}  // namespace hippograd
