#include "server/app/seed_start.h"

#include <future>
#include <memory>
#include <utility>

#include "server/api/seed_run.h"
#include "server/app/first_start/files.h"
#include "server/observe/log.h"

namespace kyanite {

Seed read_seed_file(const std::filesystem::path& file, Problems& problems) {
  const auto text = read_file(file, kSeedBytesMax);
  if (!text) {
    problems.push_back({"seedFile (--seed)", text.error().detail, ""});
    return {};
  }
  SeedFile seed = parse_seed_file(*text);
  for (Problem& problem : seed.problems) {
    const std::string where = problem.where.empty() ? std::string() : " " + problem.where;
    problem.where = file.string() + where;
    problems.push_back(std::move(problem));
  }
  return Seed(std::move(seed));
}

Result<void> apply_seed_at_start(HubShard& hub_shard, const std::filesystem::path& file,
                                 ConfigurationService& configurations, Seed seed) {
  const auto answer = std::make_shared<std::promise<Result<SeedOutcome>>>();
  auto waiting = answer->get_future();
  hub_shard.shard().post([&hub_shard, answer, &configurations, seed = std::move(seed)]() mutable {
    apply_seed(hub_shard.shard(), hub_shard.registry(), configurations, std::move(seed),
               Reply<SeedOutcome>(hub_shard.shard(), [answer](Result<SeedOutcome> outcome) {
                 answer->set_value(std::move(outcome));
               }));
  });
  const Result<SeedOutcome> outcome = waiting.get();
  if (!outcome) return outcome.error();
  if (!outcome->problems.empty()) {
    std::string sentence = "the start file " + file.string() + " cannot be applied:";
    for (const Problem& problem : outcome->problems)
      sentence += "\n  - " + problem.where + " " + problem.what;
    return Error(Errc::config_invalid, std::move(sentence));
  }
  log::info("seed_applied", {{"file", file.string()},
                             {"created", outcome->created},
                             {"updated", outcome->updated},
                             {"unchanged", outcome->unchanged}});
  return {};
}

}  // namespace kyanite
