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

// What the peer says of itself, cut to size.
ConnectionEntry entry_from(ConnectionEntry::Kind kind, const Identity& identity, std::string_view address,
                           std::string_view client, std::string_view tls_version) {
  ConnectionEntry entry;
  entry.kind = kind;
  entry.identity.device = cut(identity.device, limits::kIdBytesMax);
  entry.identity.module = cut(identity.module, limits::kIdBytesMax);
  entry.address = cut(address, limits::kJournalTextBytesMax);
  entry.client = cut(client, limits::kJournalTextBytesMax);
  entry.tls = cut(tls_version, limits::kJournalTextBytesMax);
  return entry;
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

ConnectionJournal::ConnectionJournal(HubObserver& next, Executor& executor, std::size_t entries_max)
    : ForwardingObserver(next), executor_(executor), entries_max_(entries_max) {}

std::vector<ConnectionEntry> ConnectionJournal::entries(const ConnectionQuery& query) const {
  std::vector<ConnectionEntry> found;
  // Accepted ones stand in the order of their times: the newest `limit` that match are all that can count.
  for (auto entry = accepted_.rbegin(); entry != accepted_.rend() && found.size() < query.limit; ++entry) {
    if (query.wants(*entry)) found.push_back(*entry);
  }
  for (const auto* refusals : {&refused_, &refused_unnamed_}) {
    std::copy_if(refusals->rbegin(), refusals->rend(), std::back_inserter(found),
                 [&](const ConnectionEntry& entry) { return query.wants(entry); });
  }
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
  add_refusal(std::move(entry), error, what);
}

void ConnectionJournal::on_tls_failed(std::string_view address, DeviceProtocol protocol, TlsFailure failure,
                                      std::string_view problem) {
  ConnectionEntry entry;
  entry.kind = ConnectionEntry::Kind::refused;
  entry.address = cut(address, limits::kJournalTextBytesMax);
  entry.protocol = protocol;
  entry.reason = "TlsHandshakeFailed";
  entry.detail = cut(problem, limits::kJournalTextBytesMax);
  entry.explanation = explain_tls(failure);
  count_refusal(std::move(entry));
}

void ConnectionJournal::on_left_silently(std::string_view address, std::string_view tls_version,
                                         DeviceProtocol protocol) {
  next_.on_left_silently(address, tls_version, protocol);
  ConnectionEntry entry = entry_from(ConnectionEntry::Kind::refused, {}, address, {}, tls_version);
  entry.protocol = protocol;
  entry.reason = "LeftAfterTls";
  entry.detail = "the client left after the TLS handshake, before its first byte";
  entry.explanation = explain_silent_leave();
  count_refusal(std::move(entry));
}

// The path of a back end's request is not kept: whoever walks through a thousand devices with a bad token is
// one entry.
void ConnectionJournal::on_request_refused(const RefusedRequest& request, const Error& error) {
  ConnectionEntry entry = entry_from(ConnectionEntry::Kind::refused, request.identity, request.address,
                                     request.client, request.tls_version);
  entry.protocol = request.protocol;
  entry.credential = request.credential;
  switch (request.caller) {
    case RefusedRequest::Caller::device:
      return add_refusal(std::move(entry), error);
    case RefusedRequest::Caller::back_end:
      add_refusal(std::move(entry), error, "REST request");
      return;
    case RefusedRequest::Caller::websocket:
      entry.transport = PeerTransport::websocket;
      entry.reason = "WebSocketRefused";
      entry.detail = cut(error.detail, limits::kJournalTextBytesMax);
      entry.explanation = explain_upgrade();
      return count_refusal(std::move(entry));
  }
}

ConnectionEntry ConnectionJournal::entry_of(const ConnectionFacts& connection,
                                            ConnectionEntry::Kind kind) const {
  ConnectionEntry entry = entry_from(kind, connection.identity, connection.address, connection.client_type,
                                     connection.tls_version);
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

// `what`: the part of the connection that was refused; of the whole one nothing.
void ConnectionJournal::add_refusal(ConnectionEntry entry, const Error& error, std::string_view what) {
  entry.code = refusal_status_type(error);
  entry.reason = refusal_name(error);
  std::string said(what);
  if (!what.empty() && !error.detail.empty()) said += ": ";
  entry.detail = cut(said + error.detail, limits::kJournalTextBytesMax);
  entry.explanation = explain_refusal(error);
  count_refusal(std::move(entry));
}

void ConnectionJournal::count_refusal(ConnectionEntry entry) {
  entry.time = entry.first_time = executor_.wall_now();
  std::deque<ConnectionEntry>& refusals = entry.identity.device.empty() ? refused_unnamed_ : refused_;
  const auto looked_at = static_cast<std::ptrdiff_t>(std::min(refusals.size(), kLatestRefusals));
  const auto same =
      std::find_if(refusals.rbegin(), refusals.rbegin() + looked_at,
                   [&](const ConnectionEntry& other) { return likeness(other) == likeness(entry); });
  if (same != refusals.rbegin() + looked_at) {
    same->time = entry.time;
    ++same->count;
    return;
  }
  if (refusals.size() >= entries_max_) refusals.pop_front();
  refusals.push_back(std::move(entry));
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
