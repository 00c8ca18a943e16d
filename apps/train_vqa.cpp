// train_vqa DATA_FOLDER: trains the small EnhancedVLM on easy-VQA and judges it on the held-out split. The same numbers as
// `./setup demo`, without Python.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "nn/optim.h"
#include "tensor/parallel.h"
#include "vlm/vqa_training.h"

using namespace hippograd;

namespace {

struct Options {
  std::string data, out = "demo";
  int64_t steps = 2000;
  uint64_t seed = 0;
  int threads = 0;
  bool losses = false;
  int64_t time = 0;
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Median and smallest time of the steps after the first `warm_up`, as bench/peers/vqa.py --time gives them.
void report_times(const std::vector<double>& ends, int64_t warm_up) {
  std::vector<double> ms;
  for (size_t i = size_t(warm_up) + 1; i < ends.size(); ++i) ms.push_back(1e3 * (ends[i] - ends[i - 1]));
  std::sort(ms.begin(), ms.end());
  fmt::print("{}\n", nlohmann::json{{"step_ms_median", ms[ms.size() / 2]}, {"step_ms_min", ms.front()}, {"threads", num_threads()}}.dump());
}

void run(const Options& o) {
  if (o.threads > 0) set_num_threads(o.threads);
  std::filesystem::create_directories(o.out);
  const EasyVqa train(o.data, "train"), test(o.data, "test", &train);
  if (o.time == 0) fmt::print("{} training pictures, {} questions, {} words; {} threads\n", train.picture_count(), train.question_count(), train.vocabulary().size(),
             num_threads());

  manual_seed(o.seed);
  EnhancedVLM model(VLMConfig::easy_vqa());
  VqaBatches batches(train, 16, 8, o.seed);
  AdamW optimizer(decay_matrices_only(model, 0.05), 0.9, 0.98);
  if (o.time == 0) fmt::print("{} parameters\n", model.parameter_count());

  const double start = now();
  constexpr int64_t kWarmUp = 20;
  std::vector<double> ends{start};
  for (int64_t step = 0; step < (o.time > 0 ? kWarmUp + o.time : o.steps); ++step) {
    const VqaBatch batch = batches.next();
    const auto [logits, loss] = model.forward(Tensor(batch.images), Tensor(batch.tokens), Tensor(batch.targets));
    const double value = loss.item<double>();
    if (!std::isfinite(value)) explain_bad_loss(model, batch, step, value);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step(warmup_cosine(step, o.steps, 100, 1e-3, 0.02), 1.0);
    ends.push_back(now());
    if (o.time > 0) continue;
    if (o.losses) fmt::print("{} {:a}\n", step, value);   // hexadecimal: bit for bit
    else if (step % 20 == 19 || step + 1 == o.steps) {
      const double seconds = now() - start, rate = double(step + 1) / seconds;
      fmt::print("\rstep {:>5}/{}  loss {:.4f}  accuracy {:6.2f} %  {:>6.0f} questions/s  {:>4.0f} s left ", step + 1, o.steps, value,
                 100 * batch_accuracy(logits, batch.targets), rate * 128, double(o.steps - step - 1) / rate);
      std::fflush(stdout);
    }
  }
  const double seconds = now() - start;
  if (o.time > 0) return report_times(ends, kWarmUp);
  if (o.losses) return;
  const VqaScore score = evaluate(model, test);
  save_model(o.out + "/model.safetensors", model, train.vocabulary(), o.steps);
  nlohmann::json summary{{"accuracy", score.total.accuracy()}, {"parameters", model.parameter_count()}, {"train_seconds", seconds},
                         {"samples_per_second", double(o.steps) * 128 / seconds}, {"steps", o.steps}, {"seed", o.seed}, {"threads", num_threads()}};
  for (const auto& [kind, count] : score.by_kind) summary["accuracy_by_type"][kind] = count.accuracy();
  std::ofstream(o.out + "/summary.json") << summary.dump(2) << "\n";
  fmt::print("\n{:.1f} s of training; {} of {} held-out questions right: {:.2f} %\n", seconds, score.total.right, score.total.asked, 100 * score.total.accuracy());
  for (const auto& [kind, count] : score.by_kind) fmt::print("  {:<8} {:6.2f} %  ({} questions)\n", kind, 100 * count.accuracy(), count.asked);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Train the small EnhancedVLM on easy-VQA");
  app.add_option("DATA_FOLDER", o.data, "folder with train/ and test/ (of the Python package easy-vqa: .../easy_vqa/data)")->required();
  app.add_option("--out", o.out, "where model.safetensors and summary.json go");
  app.add_option("--steps", o.steps)->check(CLI::PositiveNumber);
  app.add_option("--seed", o.seed);
  app.add_option("--threads", o.threads, "default: HIPPOGRAD_NUM_THREADS, else all cores");
  app.add_option("--time", o.time, "time so many steps after 20 to warm up; judge and write nothing")->check(CLI::PositiveNumber);
  app.add_flag("--losses", o.losses, "print every loss in hexadecimal instead of the progress line, judge and write nothing");
  CLI11_PARSE(app, argc, argv);
  try {
    run(o);
  } catch (const std::exception& e) {
    fmt::print(stderr, "train_vqa: {}\n", e.what());
    return 1;
  }
  return 0;
}
