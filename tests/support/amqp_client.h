#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/amqp/frame_decoder.h"
#include "protocol/amqp/performatives.h"
#include "protocol/base/result.h"

namespace kyanite::test {

// AmqpClient is the client's side of one AMQP 1.0 connection without input or output: bytes in, events out;
// commands append to output(). It has the hub's codec and nothing of its engine. One session; SASL PLAIN when
// it has a password, else none.
//
// Owner: a test or a load generator. Bound: what the hub sends within the credit it was given. Errors of the
// hub's bytes come as Closed with a description.
class AmqpClient {
 public:
  using Handle = std::uint32_t;
  struct Options {
    std::string container = "client";
    std::string host;
    std::string user;
    std::string password;
    std::uint32_t max_frame_size = 65'536;
    std::uint32_t incoming_window = 2'048;
  };

  struct Begun {};  // links may be attached
  struct Attached {
    Handle link = 0;
  };
  // Refused, or ended by the hub; answered already.
  struct Detached {
    Handle link = 0;
    std::optional<amqp::Condition> condition;
  };
  // The hub receives: there may be room on this link.
  struct Credit {
    Handle link = 0;
  };
  struct Received {
    Handle link = 0;
    std::uint32_t delivery = 0;
    bool settled = false;
    std::string payload;
  };
  // What became of deliveries that this client sent.
  struct Settled {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    amqp::Outcome outcome;
  };
  // The hub's answer to an outcome that was sent unsettled.
  struct Confirmed {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    amqp::Outcome outcome;
  };
  struct Closed {
    std::string why;
  };
  using Event = std::variant<Begun, Attached, Detached, Credit, Received, Settled, Confirmed, Closed>;

  struct LinkOptions {
    amqp::SenderMode sender_mode = amqp::SenderMode::unsettled;
    amqp::ReceiverMode receiver_mode = amqp::ReceiverMode::first;
    std::string channel;   // com.microsoft:channel-correlation-id
    std::string selector;  // of a source: apache.org:selector-filter:string
    std::optional<std::int64_t> epoch;
  };

  explicit AmqpClient(Options options);

  void start();
  // The address is that of the target when the client sends, else of the source.
  Handle attach(amqp::Role role, const std::string& address, const LinkOptions& options);
  void detach(Handle link);
  // Client receives: so many more than it has got; with `drain` the hub gives back what it cannot use.
  void grant(Handle link, std::uint32_t credit, bool drain = false);
  // Client sends: how many messages may be sent now.
  std::uint32_t may_send(Handle link) const;
  // Gives the delivery's number. May be called without room, as hasty clients do.
  std::uint32_t send(Handle link, std::string_view payload, bool settled, std::uint32_t format = 0);
  void dispose(std::uint32_t delivery, const amqp::Outcome& outcome, bool settled);
  void ping();   // an empty frame
  void close();  // says so; the hub ends the stream

  std::string& output() { return output_; }
  // Events are kept until they are taken.
  void feed(std::string_view bytes);
  std::optional<Event> next();

 private:
  struct Link {
    std::string name;
    amqp::Role role = amqp::Role::sender;
    bool is_open = false;
    std::uint32_t credit = 0;      // client sends
    std::uint32_t deliveries = 0;  // sent or received
    bool assembling = false;       // a message that comes in several transfers
    std::string assembled;
    std::uint32_t delivery = 0;
    bool settled = false;
  };

  bool take_header();
  void on_sasl(std::string_view body);
  void on_frame(std::string_view body);
  void on(const amqp::Open& open);
  void on(const amqp::Begin& begin);
  void on(const amqp::Attach& attach);
  void on(const amqp::Flow& flow);
  void on(const amqp::Transfer& transfer);
  void on(const amqp::Disposition& disposition);
  void on(const amqp::Detach& detach);
  void on(const amqp::End& end);
  void on(const amqp::Close& close);
  void write_flow(const Link* link, Handle handle, std::uint32_t credit, bool drain);
  void end(std::string why);

  const Options options_;
  amqp::FrameDecoder decoder_;
  std::string output_;
  std::deque<Event> events_;
  bool awaits_header_ = true;
  bool sasl_ = false;
  bool ended_ = false;
  std::uint32_t peer_frame_size_ = 512;
  std::map<Handle, Link> links_;            // by own handle
  std::map<std::uint32_t, Handle> of_hub_;  // own handle by the hub's
  Handle next_handle_ = 0;
  std::uint32_t next_delivery_ = 0;
  std::uint32_t transfers_sent_ = 0;
  std::uint32_t transfers_max_ = 0;  // what the session's window lets through, counted as those sent
  std::uint32_t transfers_received_ = 0;
  std::uint32_t transfers_told_ = 0;  // when the last flow went
};

}  // namespace kyanite::test
