// ops_table [--check] [FILE]: the table of ops and kernel slots as Markdown, from the same declarations that the tests run.
// Without FILE it is printed. With --check FILE nothing is written: exit status 1 if FILE is not what would be written.
//
//   build/apps/ops_table docs/ops.md
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "autograd/ops.h"
#include "autograd/sample.h"
#include "ssm/ops.h"
#include "tensor/kernel.h"

using namespace hippograd;

namespace {

// What the samples of an op say about its inputs and outputs.
struct Signature {
  std::vector<bool> differentiable;      // per input: floating in some sample, and not declared constant
  bool has_derivative = false;           // some output is floating, and some input is differentiable
};

// The samples are made in the widest floating dtype that the op takes.
DType tested_dtype(const OpEntry& op) {
  for (const DType want : {DType::f64, DType::c128})
    for (const DType t : op.dtypes)
      if (t == want) return t;
  return op.dtypes.empty() ? DType::f64 : op.dtypes[0];
}

bool may_differentiate(const OpEntry& op, size_t input) {
  return op.differentiable.empty() || (input < op.differentiable.size() && op.differentiable[input]);
}

Signature signature(const OpEntry& op) {
  Signature s;
  Generator generator(0);
  bool floating_output = false, any_input = false;
  for (const Sample& sample : op.samples()) {
    Tensors inputs;
    for (const Input& input : sample.inputs) {
      const Array a = input.make(tested_dtype(op), generator);
      inputs.push_back(a.defined() ? Tensor(a) : Tensor());
    }
    if (s.differentiable.size() < inputs.size()) s.differentiable.resize(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].defined() && is_floating(inputs[i].dtype()) && may_differentiate(op, i)) s.differentiable[i] = any_input = true;
    for (const Out& out : sample.infer(inputs)) floating_output |= is_floating(out.dtype);
  }
  s.has_derivative = floating_output && any_input;
  return s;
}

std::string differentiable_inputs(const Signature& s) {
  if (!s.has_derivative) return "";
  std::string list;
  size_t count = 0;
  for (size_t i = 0; i < s.differentiable.size(); ++i) {
    if (!s.differentiable[i]) continue;
    list += fmt::format("{}{}", count++ ? ", " : "", i);
  }
  return count == s.differentiable.size() ? fmt::format("all {}", count) : fmt::format("{} of {}", list, s.differentiable.size());
}

const char* derivatives(const OpEntry& op, const Signature& s) {
  if (!s.has_derivative) return "none";
  if (op.differentiable_backward) return "any (backward)";
  return op.has_reference ? "any (reference)" : "first";
}

std::string dtypes(const OpEntry& op) {
  std::string list;
  for (const DType t : op.dtypes) list += (list.empty() ? "" : " ") + std::string(name(t));
  return list;
}

// In a cell of a Markdown table `|` would end the cell, and `<` `*` `_` would be markup.
std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '_' || c == '<' || c == '>') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

constexpr const char* kHead = R"(# Ops

<!-- Generated from the op table by apps/ops_table.cpp: `build/apps/ops_table docs/ops.md`. A test compares; do not edit. -->

Every op is one struct: name, shape rule, forward, backward, samples, error samples. `tests/test_ops.cpp` runs every check of
[CONTRIBUTING.md](CONTRIBUTING.md) on every row, `hg.check("softmax")` does it for one. Functions that are compositions of these
ops (`std`, `einsum`, `huber_loss` ...) have no row; they stand in `autograd/ops.h` and `ssm/ops.h`.

- **dtypes**: those that the samples are run in; pointwise ops also take the integer types where that makes sense.
- **derivatives**: of *any* order where the backward can be recorded (`create_graph`), either as it is, being written in
  differentiable ops, or by differentiating the readable reference instead. *first*: a second derivative raises an error.
- **ref**: has a reference, which also replaces missing kernels and runs under `hg.reference_mode()`. **view**: shares storage.
- **inputs**: which of the op's tensor inputs take a gradient, counted from 0.

)";

std::string ops_section() {
  std::string text = fmt::format("## {} ops\n\n| op | what | dtypes | derivatives | inputs | ref | view | samples | errors |\n", op_table().size());
  text += "|---|---|---|---|---|---|---|---|---|\n";
  for (const OpEntry& op : op_table()) {
    const Signature s = signature(op);
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} | {} | {} | {} |\n", op.name, cell(op.doc), dtypes(op), derivatives(op, s),
                        differentiable_inputs(s), op.has_reference ? "yes" : "", op.is_view ? "yes" : "", op.samples().size(),
                        op.errors().size());
  }
  return text;
}

// What mixed precision gives the ops (autograd/autocast.h).
std::string autocast_section() {
  const auto list = [](Autocast policy) {
    std::string names;
    for (const OpEntry& op : op_table())
      if (op.autocast == policy) names += (names.empty() ? "`" : ", `") + op.name + "`";
    return names;
  };
  return fmt::format("\n## Mixed precision\n\nUnder `hg.autocast` these ops get their f32 and half inputs in the region's dtype (bfloat16 unless said "
                     "otherwise):\n{}.\n\nThese get them in f32:\n{}.\n\nAll others take what comes: the scans and the causal convolution read and "
                     "write bf16 with f32 state; sums of mixed types promote.\n", list(Autocast::Low), list(Autocast::Full));
}

// The slots that cuda/ binds, read from its sources, so that the table is the same where there is no CUDA toolkit.
std::set<std::string> bound_on_cuda(const std::filesystem::path& folder) {
  static const std::regex bind(R"(kernels::(\w+), DeviceKind::CUDA)");
  std::set<std::string> names;
  if (!std::filesystem::is_directory(folder)) return names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".cu" && entry.path().extension() != ".cpp") continue;
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (std::sregex_iterator m(text.begin(), text.end(), bind), end; m != end; ++m) names.insert((*m)[1]);
  }
  return names;
}

std::string slots_section(const std::filesystem::path& cuda_folder) {
  const auto slots = kernel_slots();
  const auto on_cuda = bound_on_cuda(cuda_folder);
  std::string text = fmt::format("\n## {} kernel slots\n\nA slot is a typed function pointer per device (`tensor/kernel.h`); its contract stands in "
                                 "`tensor/kernels/*.h`.\n\n| slot | CPU | CUDA |\n|---|---|---|\n", slots.size());
  for (const SlotInfo& s : slots)
    text += fmt::format("| `{}` | {} | {} |\n", s.name, s.bound[int(DeviceKind::CPU)] ? "yes" : "", on_cuda.count(s.name) ? "yes" : "");
  return text;
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail<FileError>("ops_table: cannot read ", path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int run(const std::string& path, bool check) {
  const auto root = std::filesystem::absolute(path.empty() ? "docs/ops.md" : path).parent_path().parent_path();
  const std::string text = kHead + ops_section() + autocast_section() + slots_section(root / "cuda");
  if (path.empty()) {
    fmt::print("{}", text);
    return 0;
  }
  if (check) {
    if (read(path) == text) return 0;
    fmt::print(stderr, "{} does not agree with the op table. Write it again: build/apps/ops_table docs/ops.md\n", path);
    return 1;
  }
  std::ofstream file(path, std::ios::binary);
  if (!(file << text).flush()) fail<FileError>("ops_table: cannot write ", path);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string path;
  bool check = false;
  CLI::App app("The table of ops and kernel slots as Markdown");
  app.add_option("FILE", path, "where it goes (default: printed)");
  app.add_flag("--check", check, "compare FILE with the table instead of writing it")->needs("FILE");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(path, check);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
