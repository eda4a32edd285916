#include "server/hub/connection_journal.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <tuple>

#include "protocol/base/error_catalog.h"
#include "protocol/base/limits.h"

namespace kyanite {
namespace {

// Equal refusals are looked for among so many of the latest.
constexpr std::size_t kLatestRefusals = 16;

std::string cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not within a character
  return std::string(text.substr(0, end)) + "...";
}

// Name and number as in the connection log, which has names of its own for the two commonest refusals.
std::string refusal_name(const Error& error) {
  const std::string description = refusal_description(Error(error.code));
  return description.substr(0, description.find(':'));
}

auto likeness(const ConnectionEntry& entry) {
  return std::tie(entry.identity.device, entry.identity.module, entry.address, entry.client, entry.protocol,
                  entry.transport, entry.code, entry.reason, entry.detail);
}

bool is_newer(const ConnectionEntry& a, const ConnectionEntry& b) { return a.time > b.time; }

void keep_newest(std::vector<ConnectionEntry>& entries, std::size_t limit) {
  std::stable_sort(entries.begin(), entries.end(), is_newer);
  if (entries.size() > limit)
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(limit), entries.end());
}

}  // namespace

bool ConnectionQuery::wants(const ConnectionEntry& entry) const {
  if (device && entry.identity.device != *device) return false;
  if (module && entry.identity.module != *module) return false;
  if (since && entry.time < *since) return false;
  return kinds.empty() || std::find(kinds.begin(), kinds.end(), entry.kind) != kinds.end();
}

std::string_view explain_refusal(const Error& error) {
  switch (error.code) {
    case Errc::unauthorized:
      return "The credential was not accepted, for the reason given. Compare the device's connection string "
             "with the one registered here, its key above all, and the device's clock with the hub's.";
    case Errc::device_not_found:
    case Errc::module_not_found:
      return "No such device or module is registered on this hub. Create it, or correct the id; ids are case "
             "sensitive.";
    case Errc::device_disabled:
      return "The device is registered and disabled. Enable it to let it connect.";
    case Errc::argument_invalid:
      return "The client id or user name is not of the form that the hub expects: client id DEVICE or "
             "DEVICE/MODULE, user name HOST/DEVICE/?api-version=2021-04-12.";
    case Errc::protocol_violation:
    case Errc::malformed_packet:
      return "What the client sent is not MQTT 3.1.1 as the hub speaks it. Set the client to version 3.1.1 "
             "and "
             "look whether it reached the right port.";
    case Errc::busy:
    case Errc::shutting_down:
      return "The hub had no room for it at that moment. Clients try again by themselves.";
    case Errc::storage_failed:
      return "The hub cannot store anything at present: look at its disk and its log.";
    case Errc::throttled:
    case Errc::quota_exceeded:
      return "A rate or the daily quota of the tier that the hub was told to enforce is used up "
             "(limits.tier).";
    default:
      return "The hub's log tells more about it.";
  }
}

std::string_view explain_end(EndReason reason) {
  switch (reason) {
    case EndReason::device_disconnected:
    case EndReason::shutting_down:
    case EndReason::refused:
      return "";
    case EndReason::link_lost:
      return "The network connection ended without a DISCONNECT: the device, a router or a proxy closed it.";
    case EndReason::connect_timeout:
      return "The client opened a connection and sent no CONNECT in time.";
    case EndReason::keep_alive_timeout:
      return "Nothing came from the device for one and a half times its keep-alive: it lost power or "
             "network.";
    case EndReason::protocol_violation:
      return "The device did what the protocol or the hub forbids, such as QoS 2 or a topic that is not its "
             "own.";
    case EndReason::message_too_large:
      return "The device sent a message over 256 KiB.";
    case EndReason::slow_consumer:
      return "The device did not read what it was sent.";
    case EndReason::credential_expired:
      return "The token or certificate ended; a client with a new one connects again.";
    case EndReason::takeover:
      return "Another connection with the same id took its place. If this repeats, two clients use one id.";
    case EndReason::identity_disabled:
      return "The device was disabled.";
    case EndReason::identity_deleted:
      return "The device was deleted.";
    case EndReason::credential_changed:
      return "The key that it used was replaced.";
    case EndReason::hub_unavailable:
      return "The hub could not store a change of the device's session.";
    case EndReason::throttled:
      return "Telemetry far over the rate of the tier that the hub was told to enforce (limits.tier).";
    case EndReason::quota_exceeded:
      return "The daily quota of the tier that the hub was told to enforce is used up (limits.tier).";
    case EndReason::fault:
      return "A fault rule of test control asked for it.";
  }
  return "";
}

ConnectionJournal::ConnectionJournal(HubObserver& next, Executor& executor, std::size_t entries_max)
    : ForwardingObserver(next), executor_(executor), entries_max_(entries_max) {}

std::vector<ConnectionEntry> ConnectionJournal::entries(const ConnectionQuery& query) const {
  std::vector<ConnectionEntry> found;
  // Accepted ones stand in the order of their times: the newest `limit` that match are all that can count.
  for (auto entry = accepted_.rbegin(); entry != accepted_.rend() && found.size() < query.limit; ++entry) {
    if (query.wants(*entry)) found.push_back(*entry);
  }
  std::copy_if(refused_.rbegin(), refused_.rend(), std::back_inserter(found),
               [&](const ConnectionEntry& entry) { return query.wants(entry); });
  keep_newest(found, query.limit);
  return found;
}

void ConnectionJournal::on_connected(const ConnectionFacts& connection) {
  next_.on_connected(connection);
  add(entry_of(connection, ConnectionEntry::Kind::connected));
}

void ConnectionJournal::on_refused(const ConnectionFacts& connection, const Error& error) {
  next_.on_refused(connection, error);
  add_refusal(entry_of(connection, ConnectionEntry::Kind::refused), error);
}

void ConnectionJournal::on_disconnected(const ConnectionFacts& connection, EndReason reason,
                                        std::string_view detail, milliseconds connected_for) {
  next_.on_disconnected(connection, reason, detail, connected_for);
  ConnectionEntry entry = entry_of(connection, ConnectionEntry::Kind::disconnected);
  entry.code = status_type(reason);
  entry.reason = to_string(reason);
  entry.detail = cut(detail, limits::kJournalTextBytesMax);
  entry.explanation = explain_end(reason);
  entry.connected_for = connected_for;
  add(std::move(entry));
}

// Of the identity nothing is certain: `what` names the link or token that was refused.
void ConnectionJournal::on_amqp_refused(std::string_view address, std::string_view container,
                                        std::string_view what, const Error& error) {
  next_.on_amqp_refused(address, container, what, error);
  ConnectionEntry entry;
  entry.kind = ConnectionEntry::Kind::refused;
  entry.address = cut(address, limits::kJournalTextBytesMax);
  entry.client = cut(container, limits::kJournalTextBytesMax);
  entry.protocol = DeviceProtocol::amqp;
  const std::string said = error.detail.empty() ? std::string(what) : std::string(what) + ": " + error.detail;
  add_refusal(std::move(entry), Error(error.code, said));
}

void ConnectionJournal::on_tls_failed(std::string_view address, DeviceProtocol protocol,
                                      std::string_view problem) {
  ConnectionEntry entry;
  entry.kind = ConnectionEntry::Kind::refused;
  entry.address = cut(address, limits::kJournalTextBytesMax);
  entry.protocol = protocol;
  entry.reason = "TlsHandshakeFailed";
  entry.detail = cut(problem, limits::kJournalTextBytesMax);
  entry.explanation =
      "The client and the hub could not agree on TLS. With an alert of an unknown CA or a bad certificate "
      "the "
      "client does not trust the hub: give it the CA that kyanite ca prints, and dial a name that the hub's "
      "certificate has.";
  count_refusal(std::move(entry));
}

ConnectionEntry ConnectionJournal::entry_of(const ConnectionFacts& connection,
                                            ConnectionEntry::Kind kind) const {
  ConnectionEntry entry;
  entry.kind = kind;
  entry.identity.device = cut(connection.identity.device, limits::kIdBytesMax);
  entry.identity.module = cut(connection.identity.module, limits::kIdBytesMax);
  entry.address = cut(connection.address, limits::kJournalTextBytesMax);
  entry.client = cut(connection.client_type, limits::kJournalTextBytesMax);
  entry.tls = cut(connection.tls_version, limits::kJournalTextBytesMax);
  entry.protocol = connection.protocol;
  entry.transport = connection.transport;
  entry.credential = {connection.scope, connection.kind};
  return entry;
}

void ConnectionJournal::add(ConnectionEntry entry) {
  entry.time = entry.first_time = executor_.wall_now();
  if (accepted_.size() >= entries_max_) accepted_.pop_front();
  accepted_.push_back(std::move(entry));
}

void ConnectionJournal::add_refusal(ConnectionEntry entry, const Error& error) {
  entry.code = refusal_status_type(error);
  entry.reason = refusal_name(error);
  entry.detail = cut(error.detail, limits::kJournalTextBytesMax);
  entry.explanation = explain_refusal(error);
  count_refusal(std::move(entry));
}

void ConnectionJournal::count_refusal(ConnectionEntry entry) {
  entry.time = entry.first_time = executor_.wall_now();
  const std::size_t looked_at = std::min(refused_.size(), kLatestRefusals);
  const auto same =
      std::find_if(refused_.rbegin(), refused_.rbegin() + static_cast<std::ptrdiff_t>(looked_at),
                   [&](const ConnectionEntry& other) { return likeness(other) == likeness(entry); });
  if (same != refused_.rbegin() + static_cast<std::ptrdiff_t>(looked_at)) {
    same->time = entry.time;
    ++same->count;
    return;
  }
  if (refused_.size() >= entries_max_) refused_.pop_front();
  refused_.push_back(std::move(entry));
}

void ConnectionHistory::find(const ConnectionQuery& query, Reply<std::vector<ConnectionEntry>> reply) const {
  // Touched on the asker's executor alone.
  struct Gathering {
    std::vector<ConnectionEntry> all;
    std::size_t missing = 0;
    std::size_t limit = 0;
    Reply<std::vector<ConnectionEntry>> reply;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->missing = journals_.size();
  gathering->limit = query.limit;
  Executor& home = reply.home();
  gathering->reply = std::move(reply);
  if (journals_.empty()) return gathering->reply(std::move(gathering->all));
  for (const auto& [shard, journal] : journals_) {
    Reply<std::vector<ConnectionEntry>> answer(home, [gathering](Result<std::vector<ConnectionEntry>> found) {
      if (found) {
        gathering->all.insert(gathering->all.end(), std::make_move_iterator(found->begin()),
                              std::make_move_iterator(found->end()));
      }
      if (--gathering->missing > 0) return;
      keep_newest(gathering->all, gathering->limit);
      gathering->reply(std::move(gathering->all));
    });
    shard->post([of = journal, query, answer = std::move(answer)]() mutable { answer(of->entries(query)); });
  }
}

}  // namespace kyanite
