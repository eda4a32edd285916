#include "server/hub/consumer_groups.h"

#include <algorithm>

#include "protocol/base/json_limits.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::uint64_t kGroupVersion = 1;
constexpr std::size_t kGroupsPage = 128;

std::string encode_group(const ConsumerGroup& group) {
  Json json;
  json["v"] = kGroupVersion;
  json["name"] = group.name;
  json["created"] = group.created.time_since_epoch().count();
  return dump_json(json);
}

std::optional<ConsumerGroup> decode_group(std::string_view text) {
  const Result<Json> json = parse_json(text);
  if (!json || !json->is_object()) return std::nullopt;
  const auto name = json->find("name");
  const auto created = json->find("created");
  if (name == json->end() || !name->is_string() || created == json->end() || !created->is_number_integer())
    return std::nullopt;
  return ConsumerGroup{name->get<std::string>(), WallTime(milliseconds(created->get<std::int64_t>())), 0};
}

Error unknown_group(const std::string& name) {
  return Error(Errc::not_found, "there is no consumer group " + name);
}

}  // namespace

bool is_valid_consumer_group(std::string_view name) {
  if (equals_ignoring_case(name, ConsumerGroups::kDefault)) return true;
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= limits::kConsumerGroupBytesMax && is_word(name.front()) &&
         is_word(name.back()) && std::all_of(name.begin(), name.end(), [&](char c) {
           return is_word(c) || c == '.' || c == '-' || c == '_';
         });
}

ReaderClaim& ReaderClaim::operator=(ReaderClaim&& other) noexcept {
  if (this != &other) {
    release();
    groups_ = std::move(other.groups_);
    id_ = std::exchange(other.id_, 0);
  }
  return *this;
}

void ReaderClaim::release() {
  if (id_ == 0) return;
  const std::uint64_t id = std::exchange(id_, 0);
  if (const auto groups = groups_.lock()) {
    ConsumerGroups* service = *groups;
    service->shard0_.post([service, id] { service->release(id); });
  }
}

ConsumerGroups::ConsumerGroups(Executor& shard0, DocumentStore& store)
    : shard0_(shard0), store_(store), self_(std::make_shared<ConsumerGroups*>(this)) {}

ConsumerGroups::~ConsumerGroups() = default;

void ConsumerGroups::start() {
  shard0_.post([this] { load({}); });
}

void ConsumerGroups::load(std::string after) {
  store_.scan(Collection::consumer_groups, "", std::move(after), kGroupsPage,
              Reply<std::vector<Document>>(
                  shard0_, [this](Result<std::vector<Document>> page) { on_loaded_page(std::move(page)); }));
}

void ConsumerGroups::on_loaded_page(Result<std::vector<Document>> page) {
  if (!page) return;  // a store that cannot be read ends the process
  for (const Document& document : *page) {
    // One of a newer program is left alone.
    if (auto group = decode_group(document.value)) groups_.emplace(document.key, std::move(*group));
  }
  if (!page->empty()) return load(page->back().key);
  const std::string key = to_lower_ascii(kDefault);
  if (groups_.contains(key)) return loaded();
  // Its time is that of the event hub, so it is kept.
  const ConsumerGroup group{std::string(kDefault), shard0_.wall_now(), 0};
  groups_.emplace(key, group);
  DocumentChange change;
  change.puts.push_back({Collection::consumer_groups, key, encode_group(group)});
  store_.commit(std::move(change), Reply<void>(shard0_, [](const Result<void>&) {}));
  loaded();
}

void ConsumerGroups::loaded() {
  is_loaded_ = true;
  for (Task& task : std::exchange(waiting_for_load_, {})) task();
}

void ConsumerGroups::when_loaded(Task task) {
  if (is_loaded_) return task();
  waiting_for_load_.push_back(std::move(task));
}

bool ConsumerGroups::too_many_wait() const {
  return waiting_for_load_.size() >= limits::kReaderClaimsWaitingMax;
}

void ConsumerGroups::run(Task change) {
  if (busy_) {
    waiting_changes_.push_back(std::move(change));
    return;
  }
  busy_ = true;
  change();
}

void ConsumerGroups::done() {
  busy_ = false;
  if (waiting_changes_.empty()) return;
  Task next = std::move(waiting_changes_.front());
  waiting_changes_.pop_front();
  busy_ = true;
  next();
}

void ConsumerGroups::list(Reply<std::vector<ConsumerGroup>> reply) {
  shard0_.post([this, reply = std::move(reply)]() mutable {
    if (too_many_wait()) return reply(Error(Errc::busy));
    when_loaded([this, reply = std::move(reply)]() mutable {
      std::vector<ConsumerGroup> all;
      for (const auto& [key, group] : groups_) {
        all.push_back(group);
        all.back().readers = readers_of(key);
      }
      reply(std::move(all));
    });
  });
}

void ConsumerGroups::put(std::string name, Reply<ConsumerGroup> reply) {
  shard0_.post([this, name = std::move(name), reply = std::move(reply)]() mutable {
    if (!is_valid_consumer_group(name)) {
      return reply(Error(Errc::argument_invalid,
                         "the name of a consumer group has at most 50 letters, digits, dots, hyphens and "
                         "underscores, with a letter or digit at both ends"));
    }
    if (too_many_wait()) return reply(Error(Errc::busy));
    when_loaded([this, name = std::move(name), reply = std::move(reply)]() mutable {
      if (waiting_changes_.size() >= limits::kAdministrationQueueMax) return reply(Error(Errc::busy));
      run([this, name = std::move(name), reply = std::move(reply)]() mutable {
        do_put(name, std::move(reply));
      });
    });
  });
}

void ConsumerGroups::do_put(const std::string& name, Reply<ConsumerGroup> reply) {
  const std::string key = to_lower_ascii(name);
  if (const auto known = groups_.find(key); known != groups_.end()) {
    ConsumerGroup group = known->second;
    group.readers = readers_of(key);
    reply(std::move(group));
    return done();
  }
  if (groups_.size() >= limits::kConsumerGroupsMax) {
    reply(Error(Errc::quota_exceeded, "the hub has its maximum number of consumer groups"));
    return done();
  }
  const ConsumerGroup group{name, shard0_.wall_now(), 0};
  DocumentChange change;
  change.puts.push_back({Collection::consumer_groups, key, encode_group(group)});
  store_.commit(
      std::move(change),
      Reply<void>(shard0_, [this, key, group, reply = std::move(reply)](Result<void> committed) mutable {
        if (committed) {
          groups_.emplace(key, group);
          reply(group);
        } else {
          reply(committed.error());
        }
        done();
      }));
}

void ConsumerGroups::erase(std::string name, Reply<void> reply) {
  shard0_.post([this, name = std::move(name), reply = std::move(reply)]() mutable {
    if (too_many_wait()) return reply(Error(Errc::busy));
    when_loaded([this, name = std::move(name), reply = std::move(reply)]() mutable {
      if (waiting_changes_.size() >= limits::kAdministrationQueueMax) return reply(Error(Errc::busy));
      run([this, name = std::move(name), reply = std::move(reply)]() mutable {
        do_erase(name, std::move(reply));
      });
    });
  });
}

void ConsumerGroups::do_erase(const std::string& name, Reply<void> reply) {
  const std::string key = to_lower_ascii(name);
  if (equals_ignoring_case(name, kDefault) || !groups_.contains(key)) {
    reply(equals_ignoring_case(name, kDefault)
              ? Error(Errc::argument_invalid, "the consumer group $Default cannot be deleted")
              : unknown_group(name));
    return done();
  }
  DocumentChange change;
  change.erases.push_back({Collection::consumer_groups, key});
  store_.commit(
      std::move(change),
      Reply<void>(shard0_, [this, key, name, reply = std::move(reply)](Result<void> committed) mutable {
        if (committed) {
          groups_.erase(key);
          const auto first = readers_.lower_bound({key, PartitionId{0}});
          auto last = first;
          for (; last != readers_.end() && last->first.first == key; ++last) {
            for (Reader& reader : last->second) put_out(reader, unknown_group(name));
          }
          readers_.erase(first, last);
        }
        reply(std::move(committed));
        done();
      }));
}

void ConsumerGroups::claim(ReaderRequest request, Executor& home, OnLost on_lost, Reply<ReaderClaim> reply) {
  shard0_.post([this, request = std::move(request), &home, on_lost = std::move(on_lost),
                reply = std::move(reply)]() mutable {
    if (too_many_wait()) return reply(Error(Errc::busy));
    when_loaded([this, request = std::move(request), &home, on_lost = std::move(on_lost),
                 reply = std::move(reply)]() mutable {
      do_claim(request, home, std::move(on_lost), std::move(reply));
    });
  });
}

void ConsumerGroups::do_claim(const ReaderRequest& request, Executor& home, OnLost on_lost,
                              Reply<ReaderClaim> reply) {
  const Place place{to_lower_ascii(request.group), request.partition};
  if (!groups_.contains(place.first)) return reply(unknown_group(request.group));
  std::vector<Reader>& readers = readers_[place];
  // Readers of a place have one level all, or none.
  const std::optional<std::int64_t> level = readers.empty() ? std::nullopt : readers.front().epoch;
  if (level && (!request.epoch || *request.epoch < *level)) {
    return reply(Error(Errc::conflict,
                       "a reader with the owner level " + std::to_string(*level) + " has the partition"));
  }
  if (request.epoch) {
    for (Reader& reader : readers) {
      put_out(reader, Error(Errc::conflict, "a reader with the owner level " +
                                                std::to_string(*request.epoch) + " took the partition"));
    }
    readers.clear();
  } else if (readers.size() >= limits::kEpochlessReadersMax) {
    return reply(
        Error(Errc::quota_exceeded,
              "the partition has its maximum of 5 readers without an owner level in this consumer group"));
  }
  const std::uint64_t id = next_id_++;
  places_.emplace(id, place);
  readers.push_back({id, request.epoch, &home, std::move(on_lost)});
  reply(ReaderClaim(self_, id));
}

void ConsumerGroups::put_out(Reader& reader, const Error& why) {
  places_.erase(reader.id);
  reader.home->post([on_lost = std::move(reader.on_lost), why]() mutable { on_lost(why); });
}

void ConsumerGroups::release(std::uint64_t id) {
  const auto place = places_.find(id);
  if (place == places_.end()) return;  // put out before
  const auto readers = readers_.find(place->second);
  std::erase_if(readers->second, [&](const Reader& reader) { return reader.id == id; });
  if (readers->second.empty()) readers_.erase(readers);
  places_.erase(place);
}

std::size_t ConsumerGroups::readers_of(const std::string& key) const {
  std::size_t count = 0;
  for (auto at = readers_.lower_bound({key, PartitionId{0}}); at != readers_.end() && at->first.first == key;
       ++at)
    count += at->second.size();
  return count;
}

}  // namespace kyanite
