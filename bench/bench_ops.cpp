// Times every op of the op table at its `.bench` shapes in f32, forward and backward.
//
//   bench_ops [--device cpu] [--threads N] [--filter TEXT] [--runs 50] [--budget SECONDS] [--json FILE] [--limits]
//
// A row is the median of at least `runs` runs with its 10th and 90th percentile (a run repeats short calls until it lasts 50 us),
// the floor from limits measured in the same process, and the achieved fraction floor / median. Before it is timed, the call
// passes a gate in poisoned memory: outputs and gradients agree with the same op in f64 on the same numbers, and two calls give
// the same bits. A row that fails prints FAIL instead of a time, and the program then ends with status 1.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include "autograd/check.h"
#include "bench/limits.h"
#include "bench/work.h"
#include "tensor/build_info.h"
#include "tensor/storage.h"

namespace hippograd::bench {
namespace {

struct Options {
  Device device;
  std::string filter, json;
  int runs = 50, threads = 0;
  double budget = 1;
  bool limits_only = false;
};

// ---- time ----

struct Times { double p10 = 0, p50 = 0, p90 = 0; };

// Seconds of `calls` calls of f. A device other than the CPU works on its own: wait for it before and after.
double time_batch(Device device, int calls, const std::function<void()>& f) {
  const auto wait = [&] { if (!device.is_cpu()) runtime(device.kind).synchronize(device); };
  wait();
  const double start = now();
  for (int i = 0; i < calls; ++i) f();
  wait();
  return now() - start;
}

Times measure(const Options& o, const std::function<void()>& f) {
  const double once = std::min(time_batch(o.device, 1, f), time_batch(o.device, 1, f));
  const int calls = int(std::clamp(50e-6 / std::max(once, 1e-9), 1.0, 1000.0));
  std::vector<double> seconds;
  const double stop = now() + o.budget;
  while (int(seconds.size()) < o.runs && (seconds.size() < 5 || now() < stop)) seconds.push_back(time_batch(o.device, calls, f) / calls);
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&](double q) { return seconds[size_t(q * double(seconds.size() - 1) + 0.5)]; };
  return {at(0.1), at(0.5), at(0.9)};
}

// ---- one call ----

Tensors draw(const std::vector<Input>& inputs, DType dtype) {
  Generator g(1);
  Tensors x;
  for (const Input& i : inputs) {
    const Array a = i.make(dtype, g);
    x.push_back(a.defined() ? Tensor(a) : Tensor());
  }
  return x;
}
Tensors map(const Tensors& x, const std::function<Array(const Array&)>& f) {
  Tensors y;
  for (const Tensor& t : x) y.push_back(t.defined() ? Tensor(f(t.array())) : Tensor());
  return y;
}
DType wide(DType t) { return t == DType::f32 ? DType::f64 : t == DType::c64 ? DType::c128 : t; }

struct Call {
  Tensors x, y, roots, wanted, dy, dx;   // inputs, outputs, those with a gradient, inputs that want one, cotangents, gradients
};
Call record(const OpEntry& op, const Sample& s, const Tensors& inputs) {
  Call c;
  for (size_t i = 0; i < inputs.size(); ++i) {
    c.x.push_back(inputs[i].defined() ? Tensor(inputs[i].array()) : Tensor());
    const bool smooth = op.differentiable.empty() || (i < op.differentiable.size() && op.differentiable[i]);
    if (!c.x[i].defined() || !smooth || !is_floating(c.x[i].dtype())) continue;
    c.x[i].set_requires_grad();
    c.wanted.push_back(c.x[i]);
  }
  c.y = s.run(c.x);
  Generator g(2);
  for (const Tensor& y : c.y)
    if (y.defined() && y.requires_grad()) {
      c.roots.push_back(y);
      const DType narrow = y.dtype() == DType::f64 ? DType::f32 : y.dtype() == DType::c128 ? DType::c64 : y.dtype();
      c.dy.push_back(Tensor(rand_normal(y.shape(), 0, 1, narrow, g).to(y.dtype()).to(y.device())));   // one draw for both widths
    }
  return c;
}
Tensors differentiate(const Call& c) { return grad(c.roots, c.wanted, c.dy, {.retain_graph = true, .allow_unused = true}); }
Call record_and_differentiate(const OpEntry& op, const Sample& s, const Tensors& inputs) {
  Call c = record(op, s, inputs);
  if (!c.roots.empty() && !c.wanted.empty()) c.dx = differentiate(c);
  return c;
}

// ---- gate ----

bool same_bits(const Tensors& a, const Tensors& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i].defined()) continue;
    const Array x = a[i].array().to(Device{}).contiguous(), y = b[i].array().to(Device{}).contiguous();
    if (std::memcmp(x.raw(), y.raw(), size_t(x.numel()) * size_t(itemsize(x.dtype()))) != 0) return false;
  }
  return true;
}
double worst_error(const Tensors& got, const Tensors& expected) {
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i)
    if (got[i].defined() && expected[i].defined()) worst = std::max(worst, max_error(got[i].array().to(Device{}), expected[i].array().to(Device{})));
  return worst;
}
struct Gate {
  double forward = 0, backward = 0;   // relative errors against f64
  bool same = true;
  static constexpr double kAllowed = 2e-4;
  bool passed() const { return same && forward <= kAllowed && backward <= kAllowed; }
};
Gate gate(const OpEntry& op, const Sample& s, const Tensors& x) {
  struct Poison { Poison() { set_poison(true); } ~Poison() { set_poison(false); } } on;
  const Call a = record_and_differentiate(op, s, x), b = record_and_differentiate(op, s, x);
  Gate g;
  g.same = same_bits(a.y, b.y) && same_bits(a.dx, b.dx);
  const Call exact = record_and_differentiate(op, s, map(x, [](const Array& t) { return t.to(wide(t.dtype())); }));
  g.forward = worst_error(a.y, exact.y);
  g.backward = worst_error(a.dx, exact.dx);
  return g;
}

// ---- rows ----

struct Row {
  std::string op, shapes, pass, dtype;
  Times times;
  Floor floor;
  Work work;
  double error = 0;
  size_t peak = 0;
  bool failed = false;
};
std::string rate(const Row& r) {
  if (r.work.state_steps > 0) return fmt::format("{:.2f} Gstep/s", r.work.state_steps / r.times.p50 * 1e-9);
  if (r.work.flops > 8 * r.work.bytes / 4) return fmt::format("{:.0f} GFLOP/s", r.work.flops / r.times.p50 * 1e-9);
  return fmt::format("{:.1f} GB/s", r.work.bytes / r.times.p50 * 1e-9);
}
void print(const Row& r) {
  if (r.failed) fmt::print("{:<22} {:<40} {:<9} FAIL: relative error {:.1e}\n", r.op, r.shapes, r.pass, r.error);
  else
    fmt::print("{:<22} {:<40} {:<9}{:>9.1f}{:>9.1f}{:>9.1f}{:>9.1f} {:<12}{:>6.2f}  {:<15} {:.0e}\n", r.op, r.shapes, r.pass, r.times.p10 * 1e6,
               r.times.p50 * 1e6, r.times.p90 * 1e6, r.floor.seconds * 1e6, r.floor.kind, r.floor.seconds / r.times.p50, rate(r), r.error);
  std::fflush(stdout);
}
std::string json(const Row& r) {
  return fmt::format(R"({{"op": "{}", "shapes": "{}", "pass": "{}", "dtype": "{}", "passed": {}, "us_p10": {:.3f}, "us_p50": {:.3f}, )"
                     R"("us_p90": {:.3f}, "floor_us": {:.3f}, "floor": "{}", "fraction": {:.3f}, "rate": "{}", "error": {:.2e}, "peak_bytes": {}}})",
                     r.op, r.shapes, r.pass, r.dtype, !r.failed, r.times.p10 * 1e6, r.times.p50 * 1e6, r.times.p90 * 1e6, r.floor.seconds * 1e6,
                     r.floor.kind, r.failed ? 0 : r.floor.seconds / r.times.p50, r.failed ? "" : rate(r), r.failed ? -1 : r.error, r.peak);
}

std::string shapes_of(const Tensors& x, const std::string& label) {
  std::string s;
  for (const Tensor& t : x) {
    if (!t.defined()) continue;
    if (!s.empty()) s += ' ';
    std::string one;
    for (int64_t n : t.shape()) one += (one.empty() ? "" : "x") + std::to_string(n);
    s += one.empty() ? "()" : one;
  }
  return label.empty() ? s : s + ", " + label;
}

void bench(const Options& o, const Limits& limits, const OpEntry& op, const Sample& s, const std::vector<Input>& inputs, std::vector<Row>& rows) {
  const DType dtype = std::find(op.dtypes.begin(), op.dtypes.end(), DType::f32) != op.dtypes.end() ? DType::f32 : op.dtypes[0];
  const Tensors x = map(draw(inputs, dtype), [&](const Array& a) { return a.to(o.device); });
  Row forward{op.name, shapes_of(x, s.label), "forward", std::string(name(dtype)), {}, {}, {}, 0, 0, false};
  const Gate g = gate(op, s, x);
  forward.failed = !g.passed();
  forward.error = g.forward;
  Row backward = forward;
  backward.pass = "backward";
  backward.error = g.backward;

  const auto finish = [&](Row& r, const std::function<void()>& f) {
    allocator_reset_peak();
    const size_t before = allocator_stats().in_use;
    f();
    r.peak = allocator_stats().peak - before;
    if (!r.failed) r.times = measure(o, f);
    r.floor = floor_of(r.work, limits);
    print(r);
    rows.push_back(r);
  };
  {
    NoGrad quiet;
    const Tensors y = s.run(x);
    forward.work = op.is_view ? Work{} : forward_work(op.name, x, y);
    finish(forward, [&] { s.run(x); });
  }
  Call c = record_and_differentiate(op, s, x);
  if (c.roots.empty() || c.wanted.empty()) return;
  backward.work = backward_work(op.name, c.x, c.y, c.dy, c.dx);
  c.dx.clear();
  finish(backward, [&] { differentiate(c); });
}

// ---- the run ----

std::string first_line(const char* path, const std::string& start = "") {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(start)) return line;
  return "";
}
std::string load() { return first_line("/proc/loadavg").substr(0, 14); }
std::string processor() {
  const std::string line = first_line("/proc/cpuinfo", "model name");
  const size_t colon = line.find(": ");
  return colon == std::string::npos ? "unknown" : line.substr(colon + 2);
}
std::string json(const Limits& l) {
  return fmt::format(R"({{"copy_GBs": {:.1f}, "triad_GBs": {:.1f}, "cached_triad_GBs": {:.1f}, "GFLOPs": {:.0f}, "Gexps": {:.2f}}})", l.copy * 1e-9,
                     l.triad * 1e-9, l.cached_triad * 1e-9, l.flops * 1e-9, l.exps * 1e-9);
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--limits") { o.limits_only = true; continue; }
    if (i + 1 == argc) fail<ValueError>("bench_ops: ", key, " needs a value (or is no option: see the head of bench/bench_ops.cpp)");
    const std::string value = argv[++i];
    if (key == "--device") o.device = Device::parse(value);
    else if (key == "--threads") o.threads = std::atoi(value.c_str());
    else if (key == "--filter") o.filter = value;
    else if (key == "--runs") o.runs = std::atoi(value.c_str());
    else if (key == "--budget") o.budget = std::atof(value.c_str());
    else if (key == "--json") o.json = value;
    else fail<ValueError>("bench_ops: unknown option ", key);
  }
  return o;
}

int run(const Options& o) {
  if (o.threads > 0) set_num_threads(o.threads);
  if (!o.device.is_cpu()) require_backend(o.device);
  const std::string load_before = load();
  const Limits limits = measure_limits();
  if (o.limits_only) return fmt::print("{}\n", json(limits)), 0;
  fmt::print("{}, {} threads on {}, load {}\nlimits: {}\n\n", processor(), num_threads(), o.device.str(), load_before, json(limits));
  fmt::print("{:<22} {:<40} {:<9}{:>9}{:>9}{:>9}{:>9} {:<12}{:>6}  {:<15} {}\n", "op", "inputs", "pass", "p10 us", "p50 us", "p90 us", "floor us",
             "of", "frac", "rate", "error");
  std::vector<Row> rows;
  for (const OpEntry& op : op_table()) {
    if (op.name.find(o.filter) == std::string::npos) continue;
    for (const Sample& s : op.samples())
      for (const auto& inputs : s.bench_inputs) bench(o, limits, op, s, inputs, rows);
  }
  const auto failed = std::count_if(rows.begin(), rows.end(), [](const Row& r) { return r.failed; });
  if (!o.json.empty()) {
    std::ofstream file(o.json);
    file << fmt::format("{{\"program\": \"bench_ops\", \"device\": \"{}\", \"processor\": \"{}\", \"threads\": {}, \"compiler\": \"{}\", \"isa\": \"{}\",\n"
                        " \"load_before\": \"{}\", \"load_after\": \"{}\", \"limits\": {},\n \"rows\": [\n",
                        o.device.str(), processor(), num_threads(), build_info().compiler, build_info().isa, load_before, load(), json(limits));
    for (size_t i = 0; i < rows.size(); ++i) file << "  " << json(rows[i]) << (i + 1 < rows.size() ? ",\n" : "\n");
    file << "]}\n";
    if (!file) fail<Error>("bench_ops: cannot write ", o.json);
  }
  fmt::print("\n{} rows, {} failed\n", rows.size(), failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace hippograd::bench

int main(int argc, char** argv) {
  try {
    return hippograd::bench::run(hippograd::bench::parse(argc, argv));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}
