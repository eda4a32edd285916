#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "protocol/amqp/frame_decoder.h"
#include "protocol/amqp/performatives.h"
#include "protocol/base/ids.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"

namespace kyanite::amqp {

// Names a link of one engine; never given twice.
using LinkId = StrongId<struct LinkIdTag, std::uint64_t>;

struct EngineSettings {
  std::string container_id = "kyanite";
  std::uint32_t max_frame_size = 65'536;
  std::uint16_t sessions_max = 256;              // channel-max + 1
  std::uint32_t links_per_session = 4'096;       // handle-max + 1
  std::size_t links_max = 8'192;                 // of all sessions; more are refused, twice as many a close
  std::uint32_t incoming_window = 2'048;         // transfers of a session that are announced as welcome
  std::size_t message_bytes_max = 1'100'000;     // of one message that comes in several transfers
  std::size_t assembling_bytes_max = 4'000'000;  // of all messages that are not complete
  std::size_t link_text_bytes_max = 4'096;       // of a link's name and of each of its addresses
  std::size_t unsettled_max = 16'384;            // deliveries sent and not settled by the peer, all links
  milliseconds open_timeout{60'000};             // from the first byte to open
  milliseconds idle_timeout{240'000};            // what we announce; a peer silent for longer is dropped
  bool offers_plain = true;
  bool offers_external = false;
  // Makes the id under which an error that is sent can be found: clients look for it (spec amqp.md 2.2).
  // Null: errors go as they are given.
  std::string (*make_tracking_id)() = nullptr;
};

// Events

// The client chose a mechanism; answer with sasl_outcome().
struct SaslStarted {
  std::string mechanism;
  std::string response;  // as sent
};
// open was received and answered.
struct Opened {
  std::string container_id;
  std::string hostname;
  bool sasl = false;
};
// A peer asks for a link; answer with accept() or refuse(), now or later.
struct AttachReceived {
  LinkId link;
  Attach attach;  // role receiver: the hub is to send
  // Links of the same session share it; for pairs of links without another mark (spec 3.1, 7.5).
  std::uint32_t session = 0;
};
// A complete message. Unless settled it must be answered once with settle(). The view is valid until the next
// call of next() or feed().
struct MessageReceived {
  LinkId link;
  std::uint32_t delivery = 0;
  std::uint32_t format = 0;
  bool settled = false;
  std::string_view payload;
};
// A link on which the hub sends: may_send() may be greater than before, or `drain` asks to use up the credit
// and call drained().
struct CreditReceived {
  LinkId link;
  bool drain = false;
};
// The peer's word on a delivery that was sent unsettled. With settled=false the receiver (mode second) waits
// for settle_sent().
struct OutcomeReceived {
  LinkId link;
  std::uint64_t key = 0;  // as given to send()
  Outcome outcome;
  bool settled = false;
};
// The link is gone, by the peer or with its session; answered already. What it had unsettled is forgotten.
struct LinkEnded {
  LinkId link;
  std::optional<Condition> error;
};
// The peer closed the connection; answered already. Nothing follows.
struct PeerClosed {
  std::optional<Condition> error;
};
using Event = std::variant<SaslStarted, Opened, AttachReceived, MessageReceived, CreditReceived,
                           OutcomeReceived, LinkEnded, PeerClosed>;

// How a link is accepted.
struct Acceptance {
  std::uint32_t credit = 0;               // hub receives: deliveries that may be under way
  std::uint64_t max_message_size = 0;     // hub receives
  std::optional<SenderMode> sender_mode;  // announced in place of what was asked for
  std::optional<Map> properties;          // in place of the echo
  std::vector<std::string> offered_capabilities;
};

struct Sending {
  std::uint64_t key = 0;  // comes back with OutcomeReceived
  std::string_view tag;   // at most 32 bytes, unique among the unsettled of the link
  std::uint32_t format = 0;
  bool settled = false;
};

enum class EngineState : std::uint8_t { header, sasl, opening, open, closed };

// Engine is the server side of one AMQP 1.0 connection without any input or output: bytes in, events out;
// commands append frames to output(). SASL is optional; sessions, link handles, windows, credit, splitting of
// messages into frames and settlement are its business, addresses and claims are not (spec amqp.md 2).
//
// Owner: an AmqpConnection. Bound: EngineSettings; what is beyond ends the link, the session or the
// connection with the condition that says so. An idle engine keeps no buffer.
//
// Errors of the peer: the engine writes the close with its condition, gives LinkEnded for each link that was
// told of and then PeerClosed with that condition; the caller sends the output and closes.
class Engine {
 public:
  Engine(EngineSettings settings, SteadyTime now);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Bytes as read; call next() until it gives nothing before they go away.
  void feed(std::string_view bytes, SteadyTime now);
  std::optional<Event> next();
  // The caller will ask for what is at hand later.
  void hold();

  // Output: frames to be written, in order. The caller writes them and clears.
  std::string& output();
  // What is in it, but for settlements that still grow.
  std::size_t output_bytes() const { return output_.size(); }
  EngineState state() const { return state_; }
  // SaslStarted awaits its outcome: what comes meanwhile is kept, so that the caller should not read.
  bool awaits_sasl() const { return awaiting_sasl_; }

  void sasl_outcome(bool accepted);

  // Links. All are ignored for a link that is gone.
  void accept(LinkId link, Acceptance acceptance);
  void refuse(LinkId link, Condition condition);
  void detach(LinkId link, std::optional<Condition> condition);
  bool has(LinkId link) const;

  // Hub receives: the fate of a delivery. Runs of accepted deliveries become one disposition, which is
  // written before any other frame.
  void settle(LinkId link, std::uint32_t delivery, const Outcome& outcome);

  // Hub sends: how many messages of one frame may be sent now, by credit and by the session's window; 0 while
  // an earlier message has frames left, which go out by themselves as the window opens.
  std::uint32_t may_send(LinkId link) const;
  // Credit alone, and whether a drain is asked for.
  std::uint32_t credit(LinkId link) const;
  bool is_draining(LinkId link) const;
  // Sends one message, its payload in two pieces; only while may_send() is not 0. Frames that the session's
  // window has no room for wait as one copy.
  void send(LinkId link, const Sending& sending, std::string_view first, std::string_view second = {});
  // Nothing more is at hand: the credit that is left is given back, when a drain is asked for. Where messages
  // have used it up the engine says so itself.
  void drained(LinkId link);
  // Answers an unsettled outcome of a receiver in mode second.
  void settle_sent(LinkId link, std::uint64_t key, const Outcome& outcome);
  // Forgets an unsettled delivery: its lock ended. A late outcome then comes as OutcomeReceived no more; a
  // receiver in mode second is answered rejected with com.microsoft:message-lock-lost (spec 2.6).
  void forget_sent(LinkId link, std::uint64_t key);

  // Ends the connection: close with this condition. PeerClosed follows no more.
  void close(std::optional<Condition> condition);

  // Time: call on_time() at or after next_due(). It writes heartbeats and ends a silent peer (events follow).
  SteadyTime next_due() const;
  void on_time(SteadyTime now);

 private:
  struct Link;
  struct Session;

  // engine.cpp: the connection
  void on_header(ProtocolHeader header);
  void on_sasl(const Frame& frame);
  void on_frame(const Frame& frame);
  void on_open(const Open& open);
  void fail(Condition condition);
  void fail(const Error& error);  // of the peer's bytes
  void end_all(const std::optional<Condition>& condition, const std::optional<Condition>& of_links);
  std::string& out();  // for the next frame: what must stand before it is written
  Condition tracked(Condition condition) const;
  std::optional<Condition> tracked(std::optional<Condition> condition) const;
  Outcome tracked(Outcome outcome) const;

  // engine_sessions.cpp
  void on_begin(std::uint16_t channel, const Begin& begin);
  void on_flow(Session& session, const Flow& flow);
  void on_end(Session& session);
  void fail_session(Session& session, Condition condition);
  void end_links(Session& session, const std::optional<Condition>& condition);
  void write_flow(Session& session, const Link* link, bool drain = false);

  // engine_links.cpp
  void on_attach(Session& session, Attach attach);
  void on_detach(Session& session, const Detach& detach);
  void on_transfer(Session& session, const Transfer& transfer);
  void finish_delivery(Link& link, std::uint32_t delivery, std::uint32_t format, bool settled,
                       std::string_view payload);
  void top_up(Link& link);
  void write_attach(Link& link, const Acceptance* acceptance);
  void write_detach(Link& link, std::optional<Condition> condition);
  void drop_remainder(Link& link);
  void remove(Link& link);
  Link* find(LinkId link) const;

  // engine_sending.cpp
  void on_disposition(Session& session, const Disposition& disposition);
  void name_outcome(Session& session, std::uint32_t delivery);
  std::optional<Event> next_outcome();
  void tell_unsettled_room();
  void write_transfers(Link& link);
  void tell_room(Session& session);
  void forget_unsettled(Link& link);
  void write_settlements();

  EngineSettings settings_;
  EngineState state_ = EngineState::header;
  FrameDecoder decoder_;
  std::string output_;
  bool sasl_done_ = false;
  bool awaiting_sasl_ = false;
  std::uint32_t peer_frame_size_ = 512;
  std::uint64_t last_link_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Link>> links_;
  std::unordered_map<std::uint16_t, std::unique_ptr<Session>> sessions_;
  std::size_t unsettled_ = 0;         // sent, all links
  bool unsettled_full_ = false;       // a link may have been told of no room for that
  std::size_t assembling_bytes_ = 0;  // received of messages that are not complete
  std::string assembled_;             // the message whose event is out

  std::vector<Event> events_;  // decided, not given yet
  std::size_t event_at_ = 0;

  // The deliveries of a disposition that are not told of yet. The outcome is copied for each only as it is
  // told: its condition may be as long as a frame, and the deliveries thousands.
  struct Outcomes {
    struct Of {
      LinkId link;
      std::uint64_t key = 0;
    };
    std::vector<Of> named;
    std::size_t at = 0;
    Outcome outcome;
    bool settled = false;
  };
  Outcomes outcomes_;

  // Accepted deliveries of one session, one after the other, that await their disposition.
  struct Settlements {
    std::uint16_t channel = 0;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
  };
  Settlements settlements_;

  SteadyTime started_;
  SteadyTime last_received_;
  std::optional<milliseconds> heartbeat_every_;
  SteadyTime next_heartbeat_{};
};

}  // namespace kyanite::amqp
