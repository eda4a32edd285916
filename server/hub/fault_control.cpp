#include "server/hub/fault_control.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"

namespace kyanite {
namespace {

// Rules that were used up go at the latest after this.
constexpr milliseconds kTidyEvery{1'000};

bool is_momentary(const FaultRule& rule) {
  return rule.kind == FaultKind::drop && rule.moment == FaultMoment::now && !rule.is_about_requests();
}

}  // namespace

FaultControl::FaultControl(Executor& shard0, Publish publish)
    : shard0_(shard0), publish_(std::move(publish)) {}

void FaultControl::list(Reply<std::vector<FaultView>> reply) {
  shard0_.post([this, reply = std::move(reply)]() mutable {
    const bool changed = update();
    std::vector<FaultView> views;
    views.reserve(entries_.size());
    for (const Entry& entry : entries_) views.push_back(view(entry));
    if (changed) publish([] {});
    reply(std::move(views));
  });
}

void FaultControl::add(FaultRule rule, Reply<FaultView> reply) {
  shard0_.post([this, rule = std::move(rule), reply = std::move(reply)]() mutable {
    add_here(std::move(rule), std::move(reply));
  });
}

void FaultControl::add_here(FaultRule rule, Reply<FaultView> reply) {
  update();
  if (entries_.size() >= limits::kFaultRulesMax) {
    return reply(Error(Errc::busy, "the hub has its maximum number of fault rules"));
  }
  const auto has_id = [&rule](const Entry& entry) { return entry.fault->rule.id == rule.id; };
  const auto is_taken = [&] { return std::any_of(entries_.begin(), entries_.end(), has_id); };
  if (rule.id.empty()) {
    do rule.id = "f" + std::to_string(next_number_++);
    while (is_taken());
  } else if (is_taken()) {
    return reply(Error(Errc::conflict, "a fault rule has this id"));
  }
  if (rule.duration <= milliseconds(0)) rule.duration = limits::kFaultDuration;
  Entry entry;
  entry.begins = shard0_.now() + rule.begins_after;
  entry.ends = entry.begins + rule.duration;
  entry.is_active = rule.begins_after <= milliseconds(0);
  entry.fault = std::make_shared<Fault>(std::move(rule));
  entries_.push_back(entry);
  publish([this, entry, reply = std::move(reply)]() mutable { reply(view(entry)); });
}

void FaultControl::remove(std::string id, Reply<void> reply) {
  shard0_.post([this, id = std::move(id), reply = std::move(reply)]() mutable {
    update();
    if (std::erase_if(entries_, [&](const Entry& entry) { return entry.fault->rule.id == id; }) == 0) {
      return reply(Error(Errc::not_found, "no fault rule has this id; it may be over"));
    }
    publish([reply = std::move(reply)]() mutable { reply({}); });
  });
}

void FaultControl::clear(Reply<void> reply) {
  shard0_.post([this, reply = std::move(reply)]() mutable {
    entries_.clear();
    publish([reply = std::move(reply)]() mutable { reply({}); });
  });
}

FaultView FaultControl::view(const Entry& entry) const {
  FaultView view;
  view.rule = entry.fault->rule;
  view.seen = entry.fault->seen.load(std::memory_order_relaxed);
  view.hits = entry.fault->hits.load(std::memory_order_relaxed);
  view.is_active = entry.is_active && !entry.fault->is_used_up() && !is_momentary(view.rule);
  view.ends_in = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(entry.ends - shard0_.now()));
  return view;
}

bool FaultControl::update() {
  const SteadyTime now = shard0_.now();
  // One that acts at once did so when its plan was published.
  bool changed = std::erase_if(entries_, [now](const Entry& entry) {
                   return now >= entry.ends || entry.fault->is_used_up() ||
                          (entry.is_active && is_momentary(entry.fault->rule));
                 }) > 0;
  for (Entry& entry : entries_) {
    if (entry.is_active || now < entry.begins) continue;
    entry.is_active = changed = true;
  }
  return changed;
}

void FaultControl::publish(Task published) {
  std::vector<FaultPtr> active;
  for (const Entry& entry : entries_) {
    if (entry.is_active) active.push_back(entry.fault);
  }
  arm();
  publish_(active.empty() ? nullptr : std::make_shared<const ActiveFaults>(std::move(active)),
           std::move(published));
}

void FaultControl::on_timer() {
  timer_ = {};
  if (update()) return publish([] {});
  arm();
}

void FaultControl::arm() {
  shard0_.cancel(timer_);
  timer_ = {};
  if (entries_.empty()) return;
  milliseconds wait = kTidyEvery;
  for (const Entry& entry : entries_) {
    const SteadyTime due = entry.is_active ? entry.ends : entry.begins;
    wait = std::min(wait, std::chrono::ceil<milliseconds>(due - shard0_.now()));
  }
  timer_ = shard0_.after(std::max(wait, milliseconds(1)), [this] { on_timer(); });
}

}  // namespace kyanite
