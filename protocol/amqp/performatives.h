#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/amqp/value.h"
#include "protocol/base/result.h"

// The performatives of AMQP 1.0 (parts 2 and 5 of the standard), as the server reads and writes them.
// Written ones carry their full field list (spec amqp.md 2.2).
namespace kyanite::amqp {

// Why something was refused or ended: the standard's `error`. Always written with three fields, the last a
// map that is never null.
struct Condition {
  std::string name;  // "amqp:not-found"
  std::string description;
  Map info;
  friend bool operator==(const Condition&, const Condition&) = default;
};

enum class OutcomeKind : std::uint8_t { accepted, rejected, released, modified };
struct Outcome {
  OutcomeKind kind = OutcomeKind::accepted;
  std::optional<Condition> error;  // of rejected
  bool delivery_failed = false;    // of modified
  bool undeliverable_here = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

enum class Role : std::uint8_t { sender, receiver };
enum class SenderMode : std::uint8_t { unsettled, settled, mixed };
enum class ReceiverMode : std::uint8_t { first, second };

// Source or target of a link. `encoded` is the described list as it came (one without fields as list8,
// however it came), for the echo of an accepted attach; empty when the field was null.
struct Terminus {
  std::string encoded;
  std::string address;  // empty when null
  bool dynamic = false;
  Map filter;  // of a source
  bool is_null() const { return encoded.empty(); }
};

struct Open {
  std::string container_id;
  std::string hostname;
  std::uint32_t max_frame_size = 0xffffffff;
  std::uint16_t channel_max = 0xffff;
  std::optional<std::uint32_t> idle_time_out_ms;
  Map properties;  // string keys are accepted (spec 2.3)
};
struct Begin {
  std::optional<std::uint16_t> remote_channel;
  std::uint32_t next_outgoing_id = 0;
  std::uint32_t incoming_window = 0;
  std::uint32_t outgoing_window = 0;
  std::uint32_t handle_max = 0xffffffff;
};
struct Attach {
  std::string name;
  std::uint32_t handle = 0;
  Role role = Role::sender;  // of who sends the frame
  SenderMode sender_mode = SenderMode::mixed;
  ReceiverMode receiver_mode = ReceiverMode::first;
  Terminus source;
  Terminus target;
  std::optional<std::uint32_t> initial_delivery_count;
  std::uint64_t max_message_size = 0;  // 0: no limit
  std::vector<std::string> offered_capabilities;
  std::vector<std::string> desired_capabilities;
  Map properties;
};
struct Flow {
  std::optional<std::uint32_t> next_incoming_id;
  std::uint32_t incoming_window = 0;
  std::uint32_t next_outgoing_id = 0;
  std::uint32_t outgoing_window = 0;
  std::optional<std::uint32_t> handle;
  std::optional<std::uint32_t> delivery_count;
  std::optional<std::uint32_t> link_credit;
  std::optional<std::uint32_t> available;
  bool drain = false;
  bool echo = false;
};
struct Transfer {
  std::uint32_t handle = 0;
  std::optional<std::uint32_t> delivery_id;
  std::string_view delivery_tag;  // into the frame
  std::optional<std::uint32_t> message_format;
  std::optional<bool> settled;
  bool more = false;
  bool resume = false;
  bool aborted = false;
  std::string_view payload;  // into the frame
};
struct Disposition {
  Role role = Role::receiver;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  bool settled = false;
  std::optional<Outcome> state;  // nothing for null and for states that are no outcome, as `received`
};
struct Detach {
  std::uint32_t handle = 0;
  bool closed = false;
  std::optional<Condition> error;
};
struct End {
  std::optional<Condition> error;
};
struct Close {
  std::optional<Condition> error;
};
struct SaslInit {
  std::string mechanism;
  std::string initial_response;
  std::string hostname;
};

using Performative = std::variant<Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close>;

// Reads the body of an AMQP frame (behind its header). Missing trailing fields have their defaults.
// Errors: malformed_packet; protocol_violation for a performative that is none.
Result<Performative> read_performative(std::string_view body);
// Reads the body of a SASL frame, of which a client sends only this one (a `response` is never asked for).
Result<SaslInit> read_sasl_init(std::string_view body);

// Each appends a whole frame with its header.
void append_open(std::string& out, const Open& open);
void append_begin(std::string& out, std::uint16_t channel, const Begin& begin);
// initial_delivery_count 0 for role sender. A null terminus is written as null: the caller of an accepted
// link gives encoded ones.
void append_attach(std::string& out, std::uint16_t channel, const Attach& attach);
void append_flow(std::string& out, std::uint16_t channel, const Flow& flow);
// The frame of a transfer whose payload follows: the size of the frame counts `payload_bytes`, which the
// caller appends.
void append_transfer_head(std::string& out, std::uint16_t channel, const Transfer& transfer,
                          std::size_t payload_bytes);
// How many bytes append_transfer_head adds at most with this tag.
std::size_t transfer_head_bytes_max(std::size_t tag_bytes);
void append_disposition(std::string& out, std::uint16_t channel, const Disposition& disposition);
void append_detach(std::string& out, std::uint16_t channel, const Detach& detach);
void append_end(std::string& out, std::uint16_t channel, const End& end);
void append_close(std::string& out, const Close& close);
void append_empty_frame(std::string& out);
void append_sasl_mechanisms(std::string& out, const std::vector<std::string>& mechanisms);
void append_sasl_outcome(std::string& out, std::uint8_t code);  // two fields

// An empty source (28) or target (29) as an encoded described list, for echoes of an absent one.
std::string empty_source();
std::string empty_target();
// A source or target with nothing but an address.
std::string source_of(std::string_view address);
std::string target_of(std::string_view address);

}  // namespace kyanite::amqp
