// The features of tensor/accelerator.h on CUDA: statistics, streams, events, page-locked memory, graphs.
#include "tensor/accelerator.h"

#include "cuda/allocator.h"
#include "cuda/runtime.h"

namespace hippograd::cuda {
namespace {

cudaStream_t as_stream(void* s) { return static_cast<cudaStream_t>(s); }
cudaEvent_t as_event(void* e) { return static_cast<cudaEvent_t>(e); }

// true: done; false: still running; anything else is an error.
bool finished(cudaError_t status, const char* what) {
  if (status == cudaErrorNotReady) return (void)cudaGetLastError(), false;
  check(status, what);
  return true;
}

// ---- graphs ----

struct Graph {
  Device device;
  Arena* arena = nullptr;
  cudaStream_t recording = nullptr, before = nullptr;
  cudaGraphExec_t ready = nullptr;
};

void stop_recording(Graph& g) {
  set_stream(g.before);
  arena_use(nullptr);
}

// Recording is local to this thread: other threads may go on using CUDA.
void* capture_begin(Device device) {
  use_device(device.index);
  auto g = std::make_unique<Graph>();
  g->device = device;
  g->before = stream();
  check(cudaStreamSynchronize(g->before), "capture");
  check(cudaStreamCreateWithFlags(&g->recording, cudaStreamNonBlocking), "capture");
  if (const cudaError_t status = cudaStreamBeginCapture(g->recording, cudaStreamCaptureModeThreadLocal); status != cudaSuccess) {
    cudaStreamDestroy(g->recording);
    check(status, "capture");
  }
  g->arena = arena_create();
  set_stream(g->recording);
  arena_use(g->arena);
  return g.release();
}
void capture_end(void* handle) {
  Graph& g = *static_cast<Graph*>(handle);
  use_device(g.device.index);
  stop_recording(g);
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(g.recording, &graph);
  cudaStreamDestroy(g.recording);
  g.recording = nullptr;
  if (ended != cudaSuccess || !graph) {
    (void)cudaGetLastError();
    fail<CudaError>("capture: the step did something that a graph cannot hold (", cudaGetErrorString(ended),
                    "): it synchronised, or used another stream");
  }
  const cudaError_t made = cudaGraphInstantiate(&g.ready, graph, 0);
  cudaGraphDestroy(graph);
  check(made, "capture: instantiating the graph");
}
void capture_replay(void* handle) {
  Graph& g = *static_cast<Graph*>(handle);
  use_device(g.device.index);
  check(cudaGraphLaunch(g.ready, stream()), "replay");
}
void capture_free(void* handle) noexcept {
  std::unique_ptr<Graph> g(static_cast<Graph*>(handle));
  if (g->recording) {   // abandoned
    cudaGraph_t graph = nullptr;
    (void)cudaStreamEndCapture(g->recording, &graph);
    if (graph) (void)cudaGraphDestroy(graph);
    (void)cudaStreamDestroy(g->recording);
    (void)cudaGetLastError();
    stop_recording(*g);
  }
  if (g->ready) {
    (void)cudaDeviceSynchronize();   // a replay may still run on its memory
    (void)cudaGraphExecDestroy(g->ready);
  }
  arena_release(g->arena);
}

const bool g_filled = [] {
  Accelerator& a = accelerator(DeviceKind::CUDA);
  a.name = [](Device d) { return std::string(properties(d.index).name); };
  a.capability = [](Device d, int* major, int* minor) {
    *major = properties(d.index).major;
    *minor = properties(d.index).minor;
  };
  a.memory_stats = [](Device d) { return memory_stats(d.index); };
  a.reset_peak = [](Device d) { reset_peak(d.index); };
  a.empty_cache = empty_cache;
  a.memory_info = [](Device d, size_t* free, size_t* total) {
    use_device(d.index);
    check(cudaMemGetInfo(free, total), "mem_get_info");
  };
  a.stream_create = [](Device d) -> void* {
    use_device(d.index);
    cudaStream_t s;
    check(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), "Stream");
    return s;
  };
  a.stream_destroy = [](void* s) noexcept { (void)cudaStreamDestroy(as_stream(s)); };
  a.current_stream = [](Device d) -> void* {
    use_device(d.index);
    return stream();
  };
  a.set_stream = [](Device d, void* s) {
    use_device(d.index);
    set_stream(as_stream(s));
  };
  a.stream_synchronize = [](Device d, void* s) {
    use_device(d.index);
    require_no_capture("Stream.synchronize");
    check(cudaStreamSynchronize(as_stream(s)), "Stream.synchronize");
  };
  a.stream_query = [](Device d, void* s) {
    use_device(d.index);
    return finished(cudaStreamQuery(as_stream(s)), "Stream.query");
  };
  a.stream_wait = [](Device d, void* s, void* e) {
    use_device(d.index);
    check(cudaStreamWaitEvent(as_stream(s), as_event(e), 0), "Stream.wait_event");
  };
  a.event_create = [](Device d, bool timing) -> void* {
    use_device(d.index);
    cudaEvent_t e;
    check(cudaEventCreateWithFlags(&e, timing ? cudaEventDefault : cudaEventDisableTiming), "Event");
    return e;
  };
  a.event_destroy = [](void* e) noexcept { (void)cudaEventDestroy(as_event(e)); };
  a.event_record = [](Device d, void* e, void* s) {
    use_device(d.index);
    check(cudaEventRecord(as_event(e), as_stream(s)), "Event.record");
  };
  a.event_synchronize = [](void* e) { check(cudaEventSynchronize(as_event(e)), "Event.synchronize"); };
  a.event_query = [](void* e) { return finished(cudaEventQuery(as_event(e)), "Event.query"); };
  a.event_elapsed = [](void* from, void* to) {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, as_event(from), as_event(to)), "Event.elapsed_time");
    return double(ms);
  };
  a.allocate_pinned = [](size_t bytes) {
    void* p = nullptr;
    const cudaError_t status = cudaMallocHost(&p, std::max<size_t>(bytes, 1));
    if (status == cudaErrorMemoryAllocation) {
      (void)cudaGetLastError();
      fail<OutOfMemory>("pin_memory: out of page-locked host memory, ", bytes, " bytes asked");
    }
    check(status, "pin_memory");
    return p;
  };
  a.is_pinned = [](const void* p) {
    cudaPointerAttributes attributes{};
    if (cudaPointerGetAttributes(&attributes, p) != cudaSuccess) (void)cudaGetLastError();
    return attributes.type == cudaMemoryTypeHost;
  };
  a.deallocate_pinned = [](void* p) noexcept { (void)cudaFreeHost(p); };
  a.capture_begin = capture_begin;
  a.capture_end = capture_end;
  a.capture_replay = capture_replay;
  a.capture_free = capture_free;
  return true;
}();

}  // namespace
}  // namespace hippograd::cuda
