#include "cuda/cufft.h"

#include <cublasLt.h>
#include <dlfcn.h>

#include <list>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "cuda/runtime.h"

namespace hippograd::cuda {
namespace {

// The part of cuFFT's interface that is used here. Results: 0 is success.
struct Library {
  int (*create)(int* plan);
  int (*destroy)(int plan);
  int (*set_auto_allocation)(int plan, int on);
  int (*make_plan)(int plan, int rank, long long* n, long long* in_embed, long long in_stride, long long in_distance, long long* out_embed,
                   long long out_stride, long long out_distance, int type, long long batch, size_t* work_size);
  int (*set_stream)(int plan, cudaStream_t stream);
  int (*set_work_area)(int plan, void* work);
  int (*c2c)(int plan, void* x, void* y, int sign);
  int (*z2z)(int plan, void* x, void* y, int sign);
  int (*r2c)(int plan, void* x, void* y);
  int (*c2r)(int plan, void* x, void* y);
  int (*d2z)(int plan, void* x, void* y);
  int (*z2d)(int plan, void* x, void* y);
};

// The folders of the packages of NVIDIA: beside cuBLAS, or in the neighbouring package.
std::vector<std::string> places(const std::string& name) {
  std::vector<std::string> paths{name};
  Dl_info info;
  if (!dladdr(reinterpret_cast<void*>(&cublasLtCreate), &info) || !info.dli_fname) return paths;
  const std::string file = info.dli_fname, folder = file.substr(0, file.rfind('/') + 1);
  paths.push_back(folder + name);
  paths.push_back(folder + "../../cufft/lib/" + name);
  return paths;
}

Library open_library() {
  const std::string name = "libcufft.so." + std::to_string(CUDART_VERSION / 1000 - 1);   // cuFFT counts one behind CUDA
  void* file = nullptr;
  std::string why;
  for (const std::string& path : places(name)) {
    file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (file) break;
    if (why.empty()) why = dlerror();
  }
  if (!file)
    fail<DeviceError>("fft: transforms on CUDA need cuFFT, which was not found (", why, "). It is part of the CUDA toolkit; its packages are libcufft-",
                      CUDART_VERSION / 1000, "-", CUDART_VERSION % 1000 / 10, " (apt) and nvidia-cufft (pip)");
  Library lib;
  const auto find = [&](auto& function, const char* symbol) {
    void* p = dlsym(file, symbol);
    if (!p) fail<DeviceError>("fft: ", name, " has no function ", symbol);
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(p);
  };
  find(lib.create, "cufftCreate");
  find(lib.destroy, "cufftDestroy");
  find(lib.set_auto_allocation, "cufftSetAutoAllocation");
  find(lib.make_plan, "cufftMakePlanMany64");
  find(lib.set_stream, "cufftSetStream");
  find(lib.set_work_area, "cufftSetWorkArea");
  find(lib.c2c, "cufftExecC2C");
  find(lib.z2z, "cufftExecZ2Z");
  find(lib.r2c, "cufftExecR2C");
  find(lib.c2r, "cufftExecC2R");
  find(lib.d2z, "cufftExecD2Z");
  find(lib.z2d, "cufftExecZ2D");
  return lib;
}
const Library& library() {
  static const Library lib = open_library();   // a failed attempt is repeated at the next call
  return lib;
}

void check_fft(int status, const char* what, int64_t n, int64_t rows) {
  constexpr const char* names[] = {"success", "invalid plan", "out of memory", "invalid type", "invalid value", "internal error",
                                   "execution failed", "setup failed", "invalid size", "unaligned data"};
  if (status == 0) return;
  fail<CudaError>("fft: ", what, ": ", status > 0 && status < 10 ? names[status] : "error", " (cuFFT status ", status, ") for ", rows,
                  " transforms of length ", n);
}

struct Plan {
  int handle = 0;
  size_t work = 0;
  bool in_graph = false;     // a captured graph uses what the plan owns: it stays for ever
};
using Key = std::tuple<int, int, int64_t, int64_t>;   // device, type, n, rows
constexpr size_t kKept = 512;

Plan make_plan(FftType type, int64_t n, int64_t rows) {
  const Library& lib = library();
  Plan plan;
  check_fft(lib.create(&plan.handle), "cufftCreate", n, rows);
  check_fft(lib.set_auto_allocation(plan.handle, 0), "cufftSetAutoAllocation", n, rows);
  const long long half = n / 2 + 1;
  const bool real_in = type == FftType::R2C || type == FftType::D2Z, real_out = type == FftType::C2R || type == FftType::Z2D;
  long long length = n, in = real_out ? half : n, out = real_in ? half : n;
  const int status = lib.make_plan(plan.handle, 1, &length, &in, 1, in, &out, 1, out, int(type), rows, &plan.work);
  if (status != 0) lib.destroy(plan.handle);
  check_fft(status, "cufftMakePlanMany64", n, rows);
  return plan;
}

struct Plans {
  std::mutex mutex;          // also held while a plan is used: its stream and work area are its state
  std::map<Key, Plan> made;
  std::list<Key> order;      // oldest first

  Plan& get(FftType type, int64_t n, int64_t rows) {
    const Key key{current_device(), int(type), n, rows};
    if (const auto it = made.find(key); it != made.end()) return it->second;
    const Plan plan = make_plan(type, n, rows);
    if (made.size() >= kKept) drop_oldest();
    order.push_back(key);
    return made[key] = plan;
  }
  void drop_oldest() {       // cufftDestroy waits for nothing that is still to run: the device is done before
    for (auto it = order.begin(); it != order.end(); ++it) {
      const auto found = made.find(*it);
      if (found->second.in_graph || std::get<0>(*it) != current_device()) continue;
      check(cudaDeviceSynchronize(), "fft");
      library().destroy(found->second.handle);
      made.erase(found);
      order.erase(it);
      return;
    }
  }
};

int execute(const Library& lib, int plan, FftType type, int sign, void* x, void* y) {
  switch (type) {
    case FftType::C2C: return lib.c2c(plan, x, y, sign);
    case FftType::Z2Z: return lib.z2z(plan, x, y, sign);
    case FftType::R2C: return lib.r2c(plan, x, y);
    case FftType::C2R: return lib.c2r(plan, x, y);
    case FftType::D2Z: return lib.d2z(plan, x, y);
    default: return lib.z2d(plan, x, y);
  }
}

}  // namespace

void fft_rows(FftType type, int sign, int64_t n, int64_t rows, void* x, void* y) {
  static Plans plans;
  const Library& lib = library();
  const std::lock_guard lock(plans.mutex);
  Plan& plan = plans.get(type, n, rows);
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream(), &capturing), "fft");
  if (capturing != cudaStreamCaptureStatusNone) plan.in_graph = true;
  const Workspace work(plan.work);
  check_fft(lib.set_stream(plan.handle, stream()), "cufftSetStream", n, rows);
  if (plan.work) check_fft(lib.set_work_area(plan.handle, work.as<void>()), "cufftSetWorkArea", n, rows);
  check_fft(execute(lib, plan.handle, type, sign, x, y), "cufftExec", n, rows);
}

}  // namespace hippograd::cuda
