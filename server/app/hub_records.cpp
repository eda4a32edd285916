#include "server/app/hub_records.h"

#include <algorithm>
#include <future>

#include "protocol/auth/symmetric_key.h"

namespace kyanite {
namespace {

constexpr std::string_view kOwnerPolicy = "iothubowner";

// Runs what is posted on the thread that posts: enough for an answer that the start waits for, while there
// are no shards yet.
class StartExecutor final : public Executor {
 public:
  void post(Task task) override { task(); }
  void post_all(std::vector<Task> tasks) override {
    for (Task& task : tasks) task();
  }
  TimerId after(milliseconds, Task) override { return {}; }
  void cancel(TimerId) override {}
  SteadyTime now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall_now() const override {
    return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
  }
  bool is_current() const override { return true; }
};

template <class T, class Ask>
Result<T> ask_and_wait(Ask ask) {
  StartExecutor here;
  std::promise<Result<T>> answer;
  auto waiting = answer.get_future();
  ask(Reply<T>(here, [&answer](Result<T> result) { answer.set_value(std::move(result)); }));
  return waiting.get();
}

}  // namespace

Result<HubRecords> load_hub_records(Stores& stores) {
  auto records =
      ask_and_wait<HubRecords>([&](Reply<HubRecords> reply) { stores.hub().load(std::move(reply)); });
  if (!records || !records->policies.empty()) return records;
  records->policies = default_access_policies();
  for (AccessPolicy& policy : records->policies) {
    policy.primary_key = make_symmetric_key();
    policy.secondary_key = make_symmetric_key();
  }
  const auto stored = store_policies(stores, records->policies);
  if (!stored) return stored.error();
  return records;
}

Result<void> store_policies(Stores& stores, const std::vector<AccessPolicy>& policies) {
  return ask_and_wait<void>(
      [&](Reply<void> reply) { stores.hub().put_policies(policies, std::move(reply)); });
}

Result<bool> set_owner_key(Stores& stores, HubRecords& records, const std::string& key) {
  std::vector<AccessPolicy> changed = records.policies;
  const auto owner = std::find_if(changed.begin(), changed.end(),
                                  [](const AccessPolicy& policy) { return policy.name == kOwnerPolicy; });
  if (owner == changed.end())
    return Error(Errc::config_invalid, "auth.ownerKey is given, but the store has no policy iothubowner");
  if (owner->primary_key == key) return false;
  owner->primary_key = key;
  if (const auto stored = store_policies(stores, changed); !stored) return stored.error();
  records.policies = std::move(changed);
  return true;
}

AccessPolicy owner_of(const std::vector<AccessPolicy>& policies) {
  const AccessPolicy* owner = find_policy(policies, kOwnerPolicy);
  return owner ? *owner : AccessPolicy{std::string(kOwnerPolicy), "", "", {}};
}

}  // namespace kyanite
